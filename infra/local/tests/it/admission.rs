//! The rates of tenants: the script in the cache decides as the crate `quota` does, on one server,
//! on a cluster of three, and for several API processes at once.

use std::collections::BTreeMap;

use futures::future::join_all;
use local::cloud::addresses;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};
use reqwest::Method;
use serde_json::{Value, json};
use shared::{
    cache::{Admission, Cache, Candidate, Kept, Wanted},
    job::{FailureCode, Job, JobError, JobId, KeyId, Lane, RegionTag, Submission, SummaryResource, TenantId},
    quota::{Account, Bucket, Decision, Limits, Rate, Verdict},
};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::{
    access::{ask, operator, status},
    cloud::{PATIENCE, REGIONS, cloud},
    cluster::Cluster,
};

/// A Valkey and what the tests ask it for besides the admission.
struct Clock {
    cache: Cache,
    connection: ClusterConnection,
}

impl Clock {
    async fn of(url: &str) -> Self {
        Self {
            cache: Cache::connect(url, None).unwrap(),
            connection: ClusterClient::new([url]).unwrap().get_async_connection().await.unwrap(),
        }
    }

    /// The time of Valkey in microseconds since 1970.
    async fn now(&mut self) -> i64 {
        let (seconds, microseconds): (i64, i64) = redis::cmd("TIME").query_async(&mut self.connection).await.unwrap();
        seconds * 1_000_000 + microseconds
    }

    /// Waits until the clock of Valkey shows this time.
    async fn reaches(&mut self, moment: i64) {
        let deadline = Instant::now() + PATIENCE;
        while self.now().await < moment {
            assert!(Instant::now() < deadline, "the clock of Valkey does not go on");
        }
    }

    /// What Valkey has counted for a key and its tenant. An entry that is not there is full.
    async fn account(&mut self, tenant: &TenantId, key: &KeyId) -> Account {
        let names = [
            format!("{{{tenant}}}:rate:{key}"),
            format!("{{{tenant}}}:rate"),
            format!("{{{tenant}}}:allowance"),
        ];
        let full: Vec<Option<i64>> = redis::cmd("MGET").arg(&names).query_async(&mut self.connection).await.unwrap();
        let bucket = |number: usize| Bucket::full_at(full[number].unwrap_or_default());
        Account {
            key: bucket(0),
            tenant: bucket(1),
            deferred: bucket(2),
        }
    }

    /// A submission by a process whose clock is off by `skew`.
    async fn admit(&self, tenant: &TenantId, key: &KeyId, limits: &Limits, wanted: Wanted, skew: Duration) -> Decision {
        let job = queued(OffsetDateTime::now_utc() + skew);
        let candidate = Candidate {
            tenant,
            key,
            limits,
            fingerprint: "none",
            admitted: &job,
            deferred: &job,
            wanted,
        };
        let Admission {
            decision,
            known,
            is_claimed,
        } = self.cache.admit(&candidate).await.unwrap();
        assert_eq!((known, is_claimed), (None, false));
        decision
    }
}

fn queued(created_at: OffsetDateTime) -> SummaryResource {
    let (_, options) = Submission::parse(br#"{"text":"One."}"#).unwrap();
    let id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
    SummaryResource::queued(id, Lane::Standard, "us-east-1".to_owned(), created_at, options)
}

/// One submission of a schedule.
#[derive(Clone, Debug)]
struct Step {
    tenant: usize,
    key: u8,
    /// The pause before it, in microseconds.
    pause: i64,
    /// By how many days the clock of its process is wrong.
    skew: i64,
    /// Whether it may be deferred.
    wanted: Wanted,
}

fn schedules() -> impl Strategy<Value = (Limits, Vec<Step>)> {
    let rate = || (3_000u32..30_000, 1u32..6).prop_map(|(per_minute, burst)| Rate::new(per_minute, burst).unwrap());
    let limits = (rate(), rate(), rate()).prop_map(|(key, tenant, deferred)| Limits { key, tenant, deferred });
    let pause = prop_oneof![4 => Just(0), 2 => 0i64..5_000, 1 => 5_000i64..30_000];
    let wanted = prop_oneof![3 => Just(Wanted::Queue), 1 => Just(Wanted::Nothing)];
    let step = (0usize..2, 0u8..3, pause, -400i64..400, wanted).prop_map(|(tenant, key, pause, skew, wanted)| Step {
        tenant,
        key,
        pause,
        skew,
        wanted,
    });
    (limits, prop::collection::vec(step, 1..60))
}

/// The moments around each submission that was counted, by whose bucket it is counted in.
type Counted = BTreeMap<(usize, String), (Rate, Vec<(i64, i64)>)>;

/// Runs a schedule. The verdicts must be those of the crate `quota` at the moments that the clock
/// of Valkey shows.
async fn keeps_to_the_limits(clock: &mut Clock, tenants: &[TenantId], limits: &Limits, steps: &[Step]) {
    let mut counted = Counted::new();
    for step in steps {
        let (tenant, key) = (&tenants[step.tenant], KeyId::of_hash(&[step.key; 32]));
        let start = clock.now().await;
        clock.reaches(start + step.pause).await;
        let before = (clock.account(tenant, &key).await, clock.now().await);
        let decision = clock.admit(tenant, &key, limits, step.wanted, Duration::days(step.skew)).await;
        let after = (clock.now().await, clock.account(tenant, &key).await);
        decides_as_the_crate(limits, step.wanted, before, decision, after);
        let mut count = |name: String, rate| {
            let (_, moments) = counted.entry((step.tenant, name)).or_insert((rate, Vec::new()));
            moments.push((before.1, after.0));
        };
        match decision.verdict {
            Verdict::Admitted => {
                count("tenant".to_owned(), limits.tenant);
                count(key.to_string(), limits.key);
            }
            Verdict::Deferred => count("deferred".to_owned(), limits.deferred),
            Verdict::Refused { wait } => {
                clock.reaches(after.0 + wait).await;
                let again = (
                    clock.now().await,
                    clock.admit(tenant, &key, limits, step.wanted, Duration::ZERO).await,
                    clock.now().await,
                );
                match again.1.verdict {
                    Verdict::Refused { .. } => panic!("a submission that has waited for {wait} microseconds is refused"),
                    Verdict::Admitted => {
                        for (name, rate) in [("tenant".to_owned(), limits.tenant), (key.to_string(), limits.key)] {
                            counted
                                .entry((step.tenant, name))
                                .or_insert((rate, Vec::new()))
                                .1
                                .push((again.0, again.2));
                        }
                    }
                    Verdict::Deferred => {
                        let name = (step.tenant, "deferred".to_owned());
                        counted
                            .entry(name)
                            .or_insert((limits.deferred, Vec::new()))
                            .1
                            .push((again.0, again.2));
                    }
                }
            }
        }
    }
    for (whose, (rate, moments)) in counted {
        for (first, (from, _)) in moments.iter().enumerate() {
            for (last, (_, to)) in moments.iter().enumerate().skip(first) {
                let most = i64::from(rate.burst()) + (to - from) / rate.interval();
                let taken = i64::try_from(last - first + 1).unwrap();
                assert!(taken <= most, "{whose:?} has taken {taken} of {most} from {from} to {to}");
            }
        }
    }
}

/// The reply says how long a bucket takes to be full after the submission, and Valkey holds when it
/// will be full. The difference is the moment at which the script has decided. If the entries have
/// expired meanwhile, this moment is not known.
fn decides_as_the_crate(limits: &Limits, wanted: Wanted, before: (Account, i64), decision: Decision, after: (i64, Account)) {
    let full_at = |bucket: Bucket| bucket.level(limits.key, 0).full_in;
    let known = [(after.1.key, decision.key), (after.1.tenant, decision.tenant)];
    let known = known.into_iter().find(|(bucket, level)| full_at(*bucket) > 0 && level.full_in > 0);
    let Some((bucket, level)) = known else { return };
    let now = full_at(bucket) - level.full_in;
    assert!(
        (before.1..=after.0).contains(&now),
        "{now} is no time of Valkey between {} and {}",
        before.1,
        after.0
    );
    let mut account = before.0;
    assert_eq!(account.decide(limits, now, wanted != Wanted::Nothing), decision);
    let kept = [
        (account.key, after.1.key),
        (account.tenant, after.1.tenant),
        (account.deferred, after.1.deferred),
    ];
    for (expected, found) in kept {
        let has_expired = found == Bucket::default();
        assert!(found == expected || has_expired, "{found:?} is not {expected:?}");
    }
}

/// Tries schedules. They are the same ones in every run.
fn for_schedules(runtime: &tokio::runtime::Runtime, clock: &mut Clock, cases: u32, tenants: impl Fn(u32) -> Vec<TenantId>) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (clock, number) = (std::cell::RefCell::new(clock), std::cell::Cell::new(0));
    runner
        .run(&schedules(), |(limits, steps)| {
            number.set(number.get() + 1);
            let tenants = tenants(number.get());
            runtime.block_on(keeps_to_the_limits(&mut clock.borrow_mut(), &tenants, &limits, &steps));
            Ok(())
        })
        .unwrap();
}

fn tenant(name: String) -> TenantId {
    name.try_into().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn no_schedule_gets_more_than_the_limits() {
    let runtime = runtime();
    let mut clock = runtime.block_on(async { Clock::of(&addresses::valkey_url(&cloud().await.instance, REGIONS[0])).await });
    for_schedules(&runtime, &mut clock, 40, |case| {
        (0..2).map(|number| tenant(format!("schedule-{case}-{number}"))).collect()
    });
}

const SHARDS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

#[test]
fn a_cluster_keeps_to_the_limits_and_wakes_requests_on_every_shard() {
    let runtime = runtime();
    let cluster = runtime.block_on(Cluster::start("shards", &SHARDS));
    let mut clock = runtime.block_on(Clock::of(&cluster.url(0)));
    // The two tenants of a schedule are on different shards.
    for_schedules(&runtime, &mut clock, 12, |case| {
        let shards = [case as usize % 3, (case as usize + 1) % 3];
        let tenants = shards.map(|shard| runtime.block_on(cluster.tenant_on(shard, &format!("schedule-{case}-{shard}"))));
        tenants.into()
    });
    runtime.block_on(async {
        // The job finishes in another process, which has its own connections.
        let (here, there) = (
            Cache::connect(&cluster.url(0), None).unwrap(),
            Cache::connect(&cluster.url(1), None).unwrap(),
        );
        for shard in 0..SHARDS.len() {
            let mut job = Job {
                tenant: cluster.tenant_on(shard, "waits").await,
                key: None,
                resource: queued(OffsetDateTime::now_utc()),
            };
            let mut waiting = here.wait_for(&job.tenant, &job.resource.id).await;
            let channels: Vec<String> = cluster.ask(shard, redis::cmd("PUBSUB").arg("SHARDCHANNELS")).await.unwrap();
            assert_eq!(
                channels,
                [format!("{{{}}}:done:{}", job.tenant, job.resource.id)],
                "the wait is on its shard"
            );
            job.resource
                .fail(OffsetDateTime::now_utc(), JobError::new(FailureCode::NoSentence, "No."))
                .unwrap();
            let kept = Kept {
                job: &job,
                fingerprint: None,
                claim: None,
            };
            there.finished(&[kept]).await.unwrap();
            assert!(
                waiting.woken(Instant::now() + PATIENCE).await,
                "a request on shard {shard} is woken"
            );
            assert_eq!(here.find(&job.tenant, &job.resource.id).await.unwrap(), Some(job.resource));
            waiting.end().await;
        }
    });
}

#[tokio::test]
async fn ten_processes_share_the_limits() {
    const PROCESSES: usize = 10;
    const EACH: usize = 8;
    let (cloud, admin) = (cloud().await, operator().await);
    let (client, _) = admin.tenant("shared-limits", &["summaries:read", "summaries:write"]).await;
    let (rate, allowance) = (Rate::new(1, 12).unwrap(), Rate::new(1, 30).unwrap());
    let limits = json!({"limits": {"tenant": rate, "deferred": allowance}});
    admin.done(Method::PATCH, "/v1/tenants/shared-limits", Some(limits)).await;
    let mut clock = Clock::of(&addresses::valkey_url(&cloud.instance, REGIONS[0])).await;
    let processes: Vec<_> = (0..PROCESSES).map(|_| cloud.emulator("api", &[])).collect();
    for process in &processes {
        assert_eq!(status(process, &client.key).await, 404);
    }
    let before = clock.now().await;
    let answers = join_all(processes.iter().enumerate().map(async |(process, emulator)| {
        let mut answers = Vec::new();
        for number in 0..EACH {
            let body = json!({"text": format!("Process {process} sends text {number}.")});
            answers.push(ask(emulator, &client.key, "POST", "/v1/summaries", Some(body)).await);
        }
        answers
    }))
    .await;
    let minutes = (clock.now().await - before) / rate.interval();
    let answers: Vec<Value> = answers.into_iter().flatten().collect();
    let count = |status: u16, deferred: bool| {
        let fits = |answer: &&Value| answer["statusCode"] == status && answer["headers"]["summarease-admission"].is_string() == deferred;
        i64::try_from(answers.iter().filter(fits).count()).unwrap()
    };
    let (admitted, deferred, refused) = (count(202, false), count(202, true), count(429, false));
    let allowed = |rate: Rate| i64::from(rate.burst())..=i64::from(rate.burst()) + minutes;
    assert!(
        allowed(rate).contains(&admitted) && allowed(allowance).contains(&deferred),
        "{admitted} admitted, {deferred} deferred, {refused} refused in {minutes} minutes: {}",
        answers[0]
    );
    assert_eq!(usize::try_from(admitted + deferred + refused).unwrap(), PROCESSES * EACH);
}
