//! Servers that stop while jobs come in. Each test has a cloud of its own.

use std::{collections::BTreeSet, time::Duration};

use local::cloud::tenant;
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use shared::{capacity::Level, job::Document, ledger::Ledger, service_level::ServiceLevel};

use crate::{
    cloud::{Cloud, REGIONS, Region, answer, comes_true, prose},
    failure::written_down,
};

/// How long PostgreSQL is stopped.
const OUTAGE: Duration = Duration::from_mins(1);
/// How many jobs are submitted in that time.
const JOBS: usize = 60;

/// Sends a signal to PostgreSQL, to its main process first, and to all its sessions.
fn signal_database(cloud: &Cloud, signal: Signal) {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().with_cmd(sysinfo::UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let pids = std::fs::read_to_string(cloud.instance.dir().join("pids.json")).unwrap();
    let pids: Vec<u32> = serde_json::from_str(&pids).unwrap();
    let is_postgres = |process: &sysinfo::Process| {
        let program = process.cmd().first().map(|program| program.to_string_lossy().into_owned());
        program.is_some_and(|program| program.contains("postgres"))
    };
    let main = system
        .processes()
        .values()
        .find(|process| pids.contains(&process.pid().as_u32()) && is_postgres(process));
    let main = main.expect("PostgreSQL runs").pid();
    let sessions = system
        .processes()
        .values()
        .filter(|process| process.parent() == Some(main) && process.thread_kind().is_none())
        .map(sysinfo::Process::pid);
    for pid in std::iter::once(main).chain(sessions) {
        let pid = i32::try_from(pid.as_u32()).ok().and_then(Pid::from_raw).unwrap();
        // A session may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

async fn submitted(region: &Region, number: usize) -> String {
    let body = json!({"text": prose(&format!("during the outage {number}"), 3_000), "length": {"sentences": 2}});
    let (status, resource) = region.submit(&body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
    resource["id"].as_str().unwrap().to_owned()
}

async fn statuses(region: &Region, ids: &BTreeSet<String>) -> Vec<Value> {
    let mut found = Vec::new();
    for id in ids {
        let request = region.request(Method::GET, &format!("/v1/summaries/{id}")).bearer_auth(tenant::KEY);
        let (status, resource) = answer(request).await;
        assert_eq!(status, StatusCode::OK, "{resource}");
        assert_ne!(resource["status"], "failed", "{resource}");
        found.push(resource);
    }
    found
}

#[tokio::test]
async fn an_outage_of_postgresql_fails_no_job() {
    let cloud = Cloud::own("test-outage").await;
    let region = cloud.region(REGIONS[0]);
    signal_database(&cloud, Signal::STOP);
    let begin = tokio::time::Instant::now();
    let mut ids = BTreeSet::new();
    for number in 0..JOBS {
        ids.insert(submitted(&region, number).await);
    }
    assert_eq!(ids.len(), JOBS);
    tokio::time::sleep_until(begin + OUTAGE).await;
    signal_database(&cloud, Signal::CONT);
    let mut finished = Vec::new();
    comes_true("every job succeeds", async || {
        finished = statuses(&region, &ids).await;
        finished.iter().all(|job| job["status"] == "succeeded")
    })
    .await;
    let attempts: Vec<&Value> = finished.iter().filter_map(|job| job["attempts"].as_array()).flatten().collect();
    assert!(!attempts.is_empty(), "no worker met the outage");
    for attempt in attempts {
        assert_eq!(attempt["code"], "commit_failed", "{attempt}");
        assert!(attempt["request_id"].is_string() && attempt["next_try_at"].is_string(), "{attempt}");
    }
    let mut database = region.database().await;
    let usage = "SELECT sum(accepted)::bigint, sum(succeeded)::bigint, sum(failed)::bigint FROM usage_by_key WHERE tenant = 'demo'";
    let counted: (i64, i64, i64) = sqlx::query_as(usage).fetch_one(&mut database).await.unwrap();
    let all = i64::try_from(JOBS).unwrap();
    assert_eq!(counted, (all, all, 0));
}

#[tokio::test]
async fn a_job_whose_message_is_lost_gets_an_end_and_no_other_job_does() {
    let cloud = Cloud::own("test-sweep").await;
    let region = cloud.region(REGIONS[0]);
    // The API stopped before it sent the message of this job.
    let (lost, _) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    // The archive has the end of this job, and the ledger was never told.
    let stale = submitted(&region, 1).await;
    let finished = region.succeeds(&stale).await;
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let ended = ledger.find(&stale.parse().unwrap()).await.unwrap().unwrap();
    let reopened = shared::job::SummaryResource::queued(
        ended.resource.id.clone(),
        ended.resource.lane,
        ended.resource.region.clone(),
        ended.resource.created_at,
        ended.resource.request.clone(),
    );
    ledger.withdraw(&reopened.id).await.unwrap();
    let reopened = shared::job::Job {
        resource: reopened,
        ..ended
    };
    ledger.accept(&reopened, None).await.unwrap();
    // This job waits for PostgreSQL, which does not answer.
    signal_database(&cloud, Signal::STOP);
    let waiting = submitted(&region, 2).await;
    comes_true("the waiting job has a failed attempt", async || {
        let job = ledger.find(&waiting.parse().unwrap()).await.unwrap().unwrap();
        !job.resource.attempts.is_empty()
    })
    .await;
    signal_database(&cloud, Signal::CONT);
    comes_true("the lost job has failed", async || {
        region.invoke("MaintainFunction", &json!({"action": "sweep", "minutes": 0})).await;
        region.read(&lost.to_string()).await.1["status"] == "failed"
    })
    .await;
    let job = region.read(&lost.to_string()).await.1;
    assert_eq!(job["error"]["code"], "message_lost", "{job}");
    region.succeeds(&waiting).await;
    let kept = ledger.find(&stale.parse().unwrap()).await.unwrap().unwrap().resource;
    assert_eq!(serde_json::to_value(kept).unwrap(), finished, "the ledger was told of the end");
}

/// The states of the event source mappings of the three lanes.
async fn mappings(region: &Region) -> Vec<String> {
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let mut states = Vec::new();
    for worker in ["SummarizeExpressFunction", "SummarizeStandardFunction", "SummarizeBulkFunction"] {
        let alias = format!("{}:live", region.outputs[worker]);
        let found = lambda.list_event_source_mappings().function_name(alias).send().await.unwrap();
        states.extend(
            found
                .event_source_mappings()
                .iter()
                .filter_map(|mapping| Some(mapping.state()?.to_owned())),
        );
    }
    states
}

/// Lets `prescale` run until it says so of the lanes.
async fn prescale_until(region: &Region, are_paused: bool) {
    comes_true("prescale sees whether the database answers", async || {
        let report = region.invoke("PrescaleFunction", &json!({"action": "plan"})).await;
        report["lanes_paused"] == are_paused
    })
    .await;
    let expected = if are_paused { "Disabled" } else { "Enabled" };
    assert_eq!(mappings(region).await, [expected; 3]);
}

#[tokio::test]
async fn while_the_database_does_not_answer_the_lanes_are_paused() {
    let cloud = Cloud::own("test-circuit").await;
    let region = cloud.region(REGIONS[0]);
    region.invoke("PrescaleFunction", &json!({"action": "plan"})).await;
    assert_eq!(mappings(&region).await, ["Enabled"; 3]);
    signal_database(&cloud, Signal::STOP);
    prescale_until(&region, true).await;
    let waiting = submitted(&region, 1).await;
    signal_database(&cloud, Signal::CONT);
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let job = ledger.find(&waiting.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(job.resource.attempts, [], "no delivery was used up while the lanes were paused");
    prescale_until(&region, false).await;
    region.succeeds(&waiting).await;

    // A lane that was paused by hand stays so, when prescale has seen that it ran again.
    region.invoke("PrescaleFunction", &json!({"action": "plan"})).await;
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let express = format!("{}:live", region.outputs["SummarizeExpressFunction"]);
    let found = lambda.list_event_source_mappings().function_name(express).send().await.unwrap();
    let uuid = found.event_source_mappings()[0].uuid().unwrap();
    lambda.update_event_source_mapping().uuid(uuid).enabled(false).send().await.unwrap();
    region.invoke("PrescaleFunction", &json!({"action": "plan"})).await;
    assert_eq!(mappings(&region).await, ["Disabled", "Enabled", "Enabled"]);
    lambda.update_event_source_mapping().uuid(uuid).enabled(true).send().await.unwrap();

    // Prescale stops while the lanes are paused, and the canary resumes them.
    signal_database(&cloud, Signal::STOP);
    prescale_until(&region, true).await;
    signal_database(&cloud, Signal::CONT);
    let level = ServiceLevel::new(&region.sdk, region.outputs["LedgerTable"].clone(), REGIONS[0]);
    let (mut remembered, _) = level.remembered().await.unwrap();
    let probe = async || {
        let payload = aws_sdk_lambda::primitives::Blob::new(r#"{"action":"probe"}"#);
        let canary = lambda.invoke().function_name(&region.outputs["CanaryFunction"]).payload(payload);
        canary.send().await.unwrap();
    };
    let ran_at = remembered.ran_at.unwrap();
    remembered.ran_at = Some(ran_at - jiff::SignedDuration::from_mins(11));
    level.set(Level::Normal, ran_at, &remembered).await.unwrap();
    comes_true("the canary resumes the lanes", async || {
        probe().await;
        mappings(&region).await == ["Enabled"; 3]
    })
    .await;
}
