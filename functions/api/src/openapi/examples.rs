//! Examples of requests and responses. They are made by the code of the service, so that they look
//! as its answers do.

use serde_json::{Value, json};
use shared::{
    job::{Counts, FailureCode, JobError, Lane, Listed, Method, RequestOptions, Submission, SummaryResource, SummaryResult},
    problem::{Kind, Problem},
    summarizer::{Options, summarize},
};
use time::{Duration, OffsetDateTime, macros::datetime};
use utoipa::{
    Modify,
    openapi::{Content, OpenApi as Document, RefOr, example::ExampleBuilder, path::Operation},
};

use super::{
    dead_letter_examples,
    operations::{Named, operations},
    tenant_examples,
};

const TEXT: &str = "The river rose again overnight. Two villages were moved to higher ground by noon. The mayor asked the army for boats.";
const ID: &str = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV";
const CREATED: OffsetDateTime = datetime!(2026-11-24 10:00 UTC);

/// Gives every operation its examples.
pub(super) struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut Document) {
        for operation in operations(document) {
            add(operation);
        }
    }
}

fn add(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        fill(
            body.content.values_mut(),
            &[requests(&id), tenant_examples::requests(&id), dead_letter_examples::requests(&id)].concat(),
        );
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            let named = [
                responses(&id, status),
                tenant_examples::responses(&id, status),
                dead_letter_examples::responses(&id, status),
            ]
            .concat();
            fill(response.content.values_mut(), &named);
        }
    }
}

fn fill<'a>(contents: impl Iterator<Item = &'a mut RefOr<Content>>, named: &Named) {
    for content in contents {
        if let RefOr::T(content) = content {
            for (name, summary, value) in named {
                let example = ExampleBuilder::new().summary(*summary).value(Some(value.clone()));
                content.example = None;
                content.examples.insert((*name).to_owned(), example.into());
            }
        }
    }
}

fn requests(operation: &str) -> Named {
    match operation {
        "submitSummary" => vec![
            ("shortest", "A text, with the default options", json!({"text": TEXT})),
            ("options", "A text with options", options()),
        ],
        _ => Vec::new(),
    }
}

fn responses(operation: &str, status: &str) -> Named {
    let health = |status: &str| json!({"status": status, "region": "us-east-1"});
    let stores = |status: &str, names: &[&str]| {
        let stores: Value = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"ok": status == "ok", "milliseconds": 4})))
            .collect();
        json!({"status": status, "region": "us-east-1", "stores": stores})
    };
    let needed = ["directory", "documents", "lanes", "ledger"];
    let all = [&needed[..], &["archive", "cache"]].concat();
    match (operation, status) {
        ("health", "200") => vec![("ok", "The API answers", health("ok"))],
        ("deepHealth", "200") => vec![("ok", "Every store answers", stores("ok", &all))],
        ("deepHealth", "503") => vec![("down", "No store answers", stores("down", &all))],
        ("routingHealth", "200") => vec![("ok", "Every store answers that is needed", stores("ok", &needed))],
        ("routingHealth", "503") => vec![("down", "No store answers", stores("down", &needed))],
        ("listProblems", "200") => {
            let problems = Kind::ALL.map(Problem::of);
            vec![("all", "Every kind of problem", json!(problems))]
        }
        ("submitSummary", "200") => vec![("known", "An earlier summary", json!(succeeded()))],
        ("submitSummary", "202") => vec![("queued", "A new job", json!(queued()))],
        ("submitSummary", "422") => vec![("text", "A text without a letter", invalid())],
        ("submitSummary", "429") => vec![(
            "over",
            "The rate and the allowance are used up",
            json!(Problem::of(Kind::TooManyRequests)),
        )],
        ("replayDeadLetter", "202") => vec![("queued", "The job is queued again", json!(replayed()))],
        ("deleteSummary", "200") => vec![("canceled", "The job was canceled", json!(canceled()))],
        ("listSummaries", "200") => {
            let items = [succeeded(), queued()].map(|job| job.as_ref().map(Listed::from));
            vec![("two", "A finished job and a queued one", json!({"items": items}))]
        }
        ("readUsage", "200") => vec![("day", "One key on one day", usage())],
        ("readSummary", "200") => vec![
            ("queued", "The job waits", json!(queued())),
            ("succeeded", "The summary is ready", json!(succeeded())),
            ("failed", "There is no summary", json!(failed())),
        ],
        _ => Vec::new(),
    }
}

fn options() -> Value {
    json!({
        "text": TEXT,
        "length": {"words": 12},
        "focus": "What does the mayor want?",
        "include": ["keywords"],
        "language": "en",
        "metadata": {"article": "4711"},
    })
}

fn checked() -> Option<RequestOptions> {
    Submission::parse(json!({"text": TEXT, "length": {"sentences": 1}}).to_string().as_bytes())
        .ok()
        .map(|(_, options)| options)
}

fn queued() -> Option<SummaryResource> {
    Some(SummaryResource::queued(
        ID.parse().ok()?,
        Lane::Standard,
        "us-east-1".to_owned(),
        CREATED,
        checked()?,
    ))
}

fn running() -> Option<SummaryResource> {
    let mut job = queued()?;
    job.start(CREATED + Duration::milliseconds(180)).ok()?;
    Some(job)
}

fn succeeded() -> Option<SummaryResource> {
    let mut job = running()?;
    let options = Options {
        budget: job.request.length.budget(),
        ..Options::default()
    };
    let result = SummaryResult {
        summary: summarize(TEXT, &options).ok()?,
        method: Method::Extractive,
        degraded: false,
    };
    job.succeed(CREATED + Duration::milliseconds(250), result).ok()?;
    Some(job)
}

fn failed() -> Option<SummaryResource> {
    let mut job = running()?;
    let error = JobError::new(FailureCode::NoSentence, "The text has no sentence that can be summarised.");
    job.fail(CREATED + Duration::milliseconds(250), error).ok()?;
    Some(job)
}

fn replayed() -> Option<SummaryResource> {
    let mut job = queued()?;
    let error = JobError::new(
        FailureCode::RetriesExhausted,
        "The worker stopped in every attempt without reporting a reason. Submit the document again.",
    );
    job.fail(CREATED + Duration::hours(1), error).ok()?;
    job.replay(CREATED + Duration::hours(2)).ok()?;
    Some(job)
}

fn canceled() -> Option<SummaryResource> {
    let mut job = queued()?;
    job.cancel(CREATED + Duration::milliseconds(90)).ok()?;
    Some(job)
}

fn usage() -> Value {
    let mut row = json!(Counts {
        accepted: 120,
        deferred: 3,
        cached: 14,
        succeeded: 119,
        failed: 1,
        input_characters: 482_113,
        output_characters: 51_904,
        ..Counts::default()
    });
    row["day"] = "2026-11-24".into();
    row["key"] = "key_0123456789abcdef0123".into();
    json!({"from": "2026-11-24", "to": "2026-11-24", "items": [row]})
}

fn invalid() -> Value {
    let refused = Submission::parse(br#"{"text": "?"}"#).err().map(Problem::from);
    json!(refused)
}
