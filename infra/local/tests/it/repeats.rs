//! A submission with an idempotency key is repeated after its process was killed, at every step, and
//! once more after the process that was to repeat it was killed too.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use local::cloud::emulator::Emulator;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::{
    job::{JobId, Plan},
    kill::Step,
};

use crate::{
    cloud::{Region, cloud, comes_true, prose, region},
    stage::is_killed,
};

/// How often a process is killed at each step for each kind of submission. These are 52 first kills. The
/// environment variable `KILL_ROUNDS` changes it.
const ROUNDS: usize = 4;

/// What is submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A text that fits into the message of its job.
    Small,
    /// A text that is stored in the documents bucket.
    Large,
    /// A text whose summary is made inside the request.
    AtOnce,
}

/// The kinds of submissions that reach a step.
pub(crate) const fn reaching(step: Step) -> &'static [Kind] {
    match step {
        Step::Admitted | Step::Recorded | Step::Sent => &[Kind::Small, Kind::Large, Kind::AtOnce],
        Step::Stored => &[Kind::Small, Kind::Large],
        Step::Made | Step::Kept => &[Kind::AtOnce],
        // Only a repetition reaches `SentAgain`. No submission reaches the others, which the module `kills`
        // has.
        _ => &[],
    }
}

/// The steps at which the process is killed that repeats a submission first.
pub(crate) const REPEATING: [Step; 2] = [Step::Stored, Step::SentAgain];

/// A submission with an idempotency key.
fn submission(kind: Kind, key: &SecretString, name: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
    let bytes = if matches!(kind, Kind::Large) { 210 * 1024 } else { 1_000 };
    event["body"] = json!({"text": prose(name, bytes), "length": {"sentences": 1}}).to_string().into();
    event["headers"]["x-api-key"] = key.expose_secret().into();
    event["headers"]["idempotency-key"] = name.into();
    if matches!(kind, Kind::AtOnce) {
        event["headers"]["prefer"] = "wait=1".into();
    }
    event
}

/// Submits to a process that is killed at a step, to one that is killed while it repeats the submission
/// if it comes so far, and then to one that is not. Returns the id of the job.
async fn repeated([killed, repeating, healthy]: [&Emulator; 3], event: &Value, name: &str) -> JobId {
    let reply = killed.invoke(event).await.unwrap();
    assert!(is_killed(&reply), "the process of {name} was not killed: {reply}");
    let reply = repeating.invoke(event).await.unwrap();
    assert!(
        is_killed(&reply) || reply["statusCode"] == 200 || reply["statusCode"] == 202,
        "{name}: {reply}"
    );
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let reply = healthy.invoke(event).await.unwrap();
        let status = StatusCode::from_u16(reply["statusCode"].as_u64().unwrap().try_into().unwrap()).unwrap();
        assert!(status.is_success(), "{name}: {reply}");
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        ids.insert(body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1, "{name}: {ids:?}");
    ids.pop_first().unwrap().parse().unwrap()
}

/// The ids of the jobs of a tenant in the ledger.
async fn recorded(region: &Region, tenant: &str) -> BTreeSet<String> {
    let mut pages = aws_sdk_dynamodb::Client::new(&region.sdk)
        .scan()
        .table_name(&region.outputs["LedgerTable"])
        .filter_expression("tenant = :tenant")
        .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()))
        .into_paginator()
        .items()
        .send();
    let mut ids = BTreeSet::new();
    while let Some(item) = pages.next().await {
        ids.insert(item.unwrap()["id"].as_s().unwrap().clone());
    }
    ids.retain(|id| !id.starts_with("idempotency#"));
    ids
}

#[tokio::test]
async fn a_killed_submission_that_is_repeated_makes_one_job() {
    const TENANT: &str = "killed";
    let (cloud, region) = (cloud().await, region().await);
    let key = region.other_tenant(TENANT, Plan::Enterprise).await;
    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let steps = Step::ALL.into_iter().filter(|step| !reaching(*step).is_empty());
    let processes = steps.map(|step| {
        let killed = cloud.emulator("api", &[("KILL_AT", step.as_str())]);
        let repeating = REPEATING.map(|step| cloud.emulator("api", &[("KILL_AT", step.as_str())]));
        (step, killed, repeating, cloud.emulator("api", &[]))
    });
    let processes: Vec<_> = processes.collect();
    let jobs = join_all(processes.iter().map(async |(step, killed, repeating, healthy)| {
        let mut jobs = Vec::new();
        for (round, repeating) in (0..rounds).zip(repeating.iter().cycle()) {
            for kind in reaching(*step) {
                let name = format!("{} {kind:?} {round}", step.as_str());
                let event = submission(*kind, &key, &name);
                jobs.push((repeated([killed, repeating, healthy], &event, &name).await, name));
            }
        }
        jobs
    }));
    let jobs: Vec<(JobId, String)> = jobs.await.into_iter().flatten().collect();
    let ids: BTreeSet<String> = jobs.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids.len(), jobs.len(), "each key has a job of its own");

    let mut database = region.database().await;
    for (id, name) in &jobs {
        comes_true(&format!("the job of {name} is in the archive"), async || {
            let row = sqlx::query_scalar::<_, String>("SELECT status FROM summaries WHERE id = $1").bind(id.uuid());
            let row = row.fetch_optional(&mut database).await.unwrap();
            assert!(row.as_deref().is_none_or(|status| status == "succeeded"), "{name}: {row:?}");
            row.is_some()
        })
        .await;
    }
    let rows = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM summaries WHERE tenant = $1").bind(TENANT);
    assert_eq!(usize::try_from(rows.fetch_one(&mut database).await.unwrap()).unwrap(), jobs.len());
    comes_true("the ledger has the jobs and no others, and each is counted once", async || {
        let sums = "SELECT sum(accepted)::bigint, sum(succeeded)::bigint FROM usage_by_key WHERE tenant = $1";
        let counted: (i64, i64) = sqlx::query_as(sums).bind(TENANT).fetch_one(&mut database).await.unwrap();
        let all = i64::try_from(jobs.len()).unwrap();
        assert!(counted.0 <= all && counted.1 <= all, "{counted:?} of {all}");
        recorded(&region, TENANT).await == ids && counted == (all, all)
    })
    .await;
}
