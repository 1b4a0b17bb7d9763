//! What the API answers while a store fails, and that afterwards every job finishes once.

pub(crate) mod bench;

use std::{collections::BTreeSet, fmt::Write, fs};

use futures::future::join_all;
use local::{checkout::workspace, cloud::emulator::Emulator};
use shared::{
    job::{JobId, MOST_RECEIVES},
    store::Store,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::faults::mode::Mode;
use bench::{Bench, LARGE, SMALL};

const FILE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- answers: measured by a test -->\n";
const END: &str = "<!-- end of the answers -->";
const UNAVAILABLE: &str = "503 `unavailable`";

/// What fails, and how the table calls it.
const STORES: [(&str, Store, &str); 6] = [
    ("archive", Store::Archive, "archive (PostgreSQL)"),
    ("cache", Store::Cache, "cache (Valkey)"),
    ("directory", Store::Directory, "directory (DynamoDB)"),
    ("ledger", Store::Ledger, "ledger (DynamoDB)"),
    ("lanes", Store::Lanes, "lanes (SQS)"),
    ("documents", Store::Documents, "documents bucket (S3)"),
];

/// A way in which a store fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Away,
    Slow,
    Half,
    /// Everything that it holds is gone.
    Emptied,
}

impl Way {
    const ALL: [Self; 4] = [Self::Away, Self::Slow, Self::Half, Self::Emptied];

    const fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Slow => "slow",
            Self::Half => "half",
            Self::Emptied => "emptied",
        }
    }

    /// What the proxy does. While the cache is emptied again and again, its proxy passes everything.
    const fn mode(self) -> Mode {
        match self {
            Self::Away => Mode::Away,
            Self::Slow => Mode::Slow,
            Self::Half => Mode::Half,
            Self::Emptied => Mode::Emptied,
        }
    }

    /// How often each request is sent. Of those to a store that is half away, some succeed, and others
    /// fail.
    const fn times(self) -> usize {
        match self {
            Self::Away | Self::Slow | Self::Emptied => 2,
            Self::Half => 4,
        }
    }
}

/// A request to the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Submit,
    SubmitLarge,
    SubmitAndWait,
    ReadUnfinished,
    ReadFinished,
    ReadOld,
    Cancel,
    Erase,
    List,
}

impl Request {
    const ALL: [Self; 9] = [
        Self::Submit,
        Self::SubmitLarge,
        Self::SubmitAndWait,
        Self::ReadUnfinished,
        Self::ReadFinished,
        Self::ReadOld,
        Self::Cancel,
        Self::Erase,
        Self::List,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::SubmitLarge => "submit a large text",
            Self::SubmitAndWait => "submit and wait",
            Self::ReadUnfinished => "read an unfinished job",
            Self::ReadFinished => "read a finished job",
            Self::ReadOld => "read an old job",
            Self::Cancel => "cancel",
            Self::Erase => "erase",
            Self::List => "list",
        }
    }

    /// The jobs that it is about, one for each time that it is sent. `finished` are as many jobs and one
    /// more, and only the archive knows the job `old`.
    async fn jobs(self, bench: &Bench, times: usize, finished: &[JobId], old: &JobId) -> Vec<JobId> {
        match self {
            Self::Submit | Self::SubmitLarge | Self::SubmitAndWait | Self::List => Vec::new(),
            Self::ReadUnfinished => vec![bench.unfinished().await; times],
            Self::ReadFinished => vec![finished[times].clone(); times],
            Self::ReadOld => vec![old.clone(); times],
            Self::Erase => finished[..times].to_vec(),
            Self::Cancel => {
                let mut jobs = Vec::new();
                for _ in 0..times {
                    jobs.push(bench.unfinished().await);
                }
                jobs
            }
        }
    }

    /// The answers that are right if it is left to chance which of them comes.
    fn either(self, store: Store, way: Way) -> Option<[&'static str; 2]> {
        match (self, store, way) {
            // A worker may have the message when the API stops waiting. Then the job is accepted.
            (Self::Submit | Self::SubmitLarge, Store::Lanes, Way::Slow) => Some(["202", UNAVAILABLE]),
            // The cache may answer this request, or an earlier one of the same process. Without it no
            // summary is made inside the request, and nothing is erased.
            (Self::SubmitAndWait, Store::Cache, Way::Half) => Some(["200", "202"]),
            (Self::Erase, Store::Cache, Way::Half) => Some(["204", UNAVAILABLE]),
            _ => None,
        }
    }

    /// The lane of a small text is one whose worker takes it at once, or one whose worker takes it later.
    async fn send(self, bench: &Bench, api: &Emulator, time: usize, job: Option<&JobId>) -> String {
        let priority = if time.is_multiple_of(2) { "standard" } else { "express" };
        let path = job.map_or("/v1/summaries".to_owned(), |job| format!("/v1/summaries/{job}"));
        let answer = match self {
            Self::Submit => bench.submit(api, SMALL, priority).await,
            Self::SubmitLarge => bench.submit(api, LARGE, "standard").await,
            Self::SubmitAndWait => bench.submit_and_wait(api, time).await,
            Self::Cancel | Self::Erase => bench.ask(api, "DELETE", &path, None).await,
            Self::ReadUnfinished | Self::ReadFinished | Self::ReadOld | Self::List => bench.ask(api, "GET", &path, None).await,
        };
        answer.says
    }
}

/// The answers of the API to each request while the store of the bench fails in this way. Afterwards all
/// jobs that were accepted until then are finished.
async fn answers(bench: &Bench, store: Store, way: Way) -> Vec<BTreeSet<String>> {
    let finished = bench.finished(way.times() + 2).await;
    let old = &finished[way.times() + 1];
    bench.outdate(old).await;
    let mut asked = Vec::new();
    for request in Request::ALL {
        let jobs = request.jobs(bench, way.times(), &finished, old).await;
        asked.push((request, bench.struck("api").await, jobs));
    }
    let worker = bench.struck("summarize").await;
    for bytes in [SMALL, SMALL, SMALL, SMALL, LARGE] {
        bench.load(bytes).await;
    }
    // A process of the API knows a key for half a minute. Only if the directory fails, the processes are
    // those that do not know it yet.
    if store != Store::Directory {
        join_all(asked.iter().map(|(_, api, _)| async {
            assert_eq!(Request::List.send(bench, api, 0, None).await, "200");
        }))
        .await;
    }
    bench.set(way.mode());
    let answers = async {
        let answers = asked.iter().map(|(request, api, jobs)| async move {
            let mut answers = BTreeSet::new();
            for time in 0..way.times() {
                if way == Way::Emptied {
                    bench.empty_cache().await;
                }
                answers.insert(request.send(bench, api, time, jobs.get(time)).await);
            }
            if let Some(either) = request.either(store, way) {
                let either = BTreeSet::from(either.map(str::to_owned));
                assert!(answers.is_subset(&either), "{}: {answers:?}", request.name());
                answers = either;
            }
            answers
        });
        let answers = join_all(answers).await;
        bench.set(Mode::Pass);
        answers
    };
    let (answers, returned) = tokio::join!(answers, bench.work_meanwhile(&worker));
    bench.finish_all(returned).await;
    answers
}

async fn rows((name, store, title): (&str, Store, &str)) -> String {
    let (bench, mut rows) = (Bench::start(name, store).await, String::new());
    for way in Way::ALL {
        if way == Way::Emptied && store != Store::Cache {
            continue;
        }
        write!(rows, "| {title}, {} |", way.name()).unwrap();
        for answers in answers(&bench, store, way).await {
            write!(rows, " {} |", Vec::from_iter(answers).join(" or ")).unwrap();
        }
        rows.push('\n');
    }
    bench.is_settled().await;
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_documented_while_a_store_fails_and_every_job_finishes_once() {
    let rows = join_all(STORES.map(rows)).await;
    let names = Request::ALL.map(Request::name);
    let head = format!("| store | {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len() + 1));
    documented(&(head + &rows.concat()));
}

/// Checks that the table in the page is what was measured. `UPDATE_ANSWERS=1 cargo test --test it --
/// matrix` writes it again.
fn documented(table: &str) {
    let path = workspace().join(FILE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (known, after) = rest.split_once(END).unwrap();
    let table = format!("\n{table}\n");
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(
        known == table,
        "{FILE} is out of date. Run `UPDATE_ANSWERS=1 cargo test --test it -- matrix` to write its table again. Measured was:\n{table}"
    );
}

/// The ledger records the job and its idempotency key, and its answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_finishes_the_job_whose_answer_the_ledger_has_lost() {
    let bench = Bench::start("repeated", Store::Ledger).await;
    let api = bench.struck("api").await;
    assert_eq!(Request::List.send(&bench, &api, 0, None).await, "200");
    bench.set(Mode::Slow);
    let says = bench.submit_again([&api, bench.api()], || bench.set(Mode::Pass)).await;
    assert_eq!(says, [UNAVAILABLE, "202"]);
    bench.finish_all(Vec::new()).await;
    bench.is_settled().await;
}

/// The waits between the attempts are left out, and all attempts are there.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_outlast_an_outage_of_postgresql_of_more_than_an_hour() {
    let bench = Bench::start("hour", Store::Archive).await;
    for _ in 0..5 {
        bench.load(SMALL).await;
    }
    let worker = bench.struck("summarize").await;
    bench.set(Mode::Away);
    bench.receive_in_vain(&worker, MOST_RECEIVES - 1).await;
    bench.set(Mode::Pass);
    bench.finish_all(Vec::new()).await;
    let moment = |value: &serde_json::Value| OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap();
    for job in bench.jobs().await {
        assert_eq!(job["status"], "succeeded", "{job}");
        let attempts = job["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), usize::try_from(MOST_RECEIVES - 1).unwrap(), "{job}");
        let waits = attempts
            .iter()
            .map(|attempt| moment(&attempt["next_try_at"]) - moment(&attempt["at"]));
        assert!(waits.sum::<time::Duration>() > time::Duration::HOUR, "{job}");
    }
    bench.is_settled().await;
}
