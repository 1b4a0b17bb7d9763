//! The cache when it does not answer, when it was not told of a result, and when a job is large.

use futures::future::join_all;
use redis::AsyncCommands;
use serde_json::json;
use shared::{
    cache::{Cache, Kept, Work},
    job::{Attempt, Document, FailureCode, Job, JobError, Lane, SummaryResource},
    ledger::Ledger,
};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

use crate::{
    cloud::{REGIONS, cloud, region, valkey},
    failure::written_down,
};

#[tokio::test]
async fn a_batch_waits_once_for_a_cache_that_does_not_answer() {
    // A server that takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = Cache::connect(&format!("redis://{}", listener.local_addr().unwrap()), None).unwrap();
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            connections.push(accepted);
            if connections.len() > 10 {
                break;
            }
        }
        connections.len()
    });
    let (id, message) = written_down(&region().await, "demo", Document::Inline("One.".into())).await;
    let asked = join_all((0..50).map(|_| cache.begin(&message.tenant, &id, None, OffsetDateTime::now_utc(), true))).await;
    assert!(asked.iter().all(Result::is_err));
    assert!(!server.is_finished(), "fifty records opened more than ten connections");
}

#[tokio::test]
async fn a_finished_job_is_seen_although_the_cache_was_not_told() {
    let region = region().await;
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let (id, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    let submitted = OffsetDateTime::now_utc() - Duration::minutes(1);
    let queued = SummaryResource::queued(id.clone(), Lane::Standard, "us-east-1".to_owned(), submitted, message.options);
    let key = format!("{{demo}}:summary:{id}");
    let () = valkey()
        .await
        .set_ex(key, serde_json::to_string(&queued).unwrap(), 600)
        .await
        .unwrap();
    assert_eq!(region.read(&id.to_string()).await.1["status"], "queued");

    let error = JobError::new(FailureCode::DocumentUnavailable, "Not now.");
    let attempt = Attempt {
        number: 1,
        at: submitted,
        error,
        request_id: None,
        next_try_at: None,
    };
    ledger.note(&[(&id, Some(0), &attempt)]).await.unwrap();
    let waiting = region.read(&id.to_string()).await.1;
    assert_eq!(
        waiting["attempts"][0]["code"],
        json!("document_unavailable"),
        "a failed attempt is shown"
    );

    let mut job = ledger.find(&id).await.unwrap().unwrap();
    let error = JobError::new(FailureCode::NoSentence, "No.");
    job.resource.fail(OffsetDateTime::now_utc(), error).unwrap();
    ledger.finish(&[&job]).await.unwrap();
    let finished = region.read(&id.to_string()).await.1;
    assert_eq!(finished["error"]["code"], "no_sentence", "{finished}");
}

#[tokio::test]
async fn a_large_job_is_not_kept_in_the_cache_and_does_not_keep_others_out() {
    let region = region().await;
    let url = local::cloud::addresses::valkey_url(&cloud().await.instance, REGIONS[0]);
    let cache = Cache::connect(&url, None).unwrap();
    let mut jobs = Vec::new();
    for bytes in [600 * 1024, 10] {
        let (id, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
        let now = OffsetDateTime::now_utc();
        let mut resource = SummaryResource::queued(id, Lane::Bulk, "us-east-1".to_owned(), now, message.options);
        let key = format!("{{demo}}:summary:{}", resource.id);
        let queued = serde_json::to_string(&resource).unwrap();
        let () = valkey().await.set_ex(key, queued, 600).await.unwrap();
        let error = JobError::new(FailureCode::NoSentence, "x".repeat(bytes));
        resource.fail(now, error).unwrap();
        jobs.push(Job {
            tenant: message.tenant,
            key: None,
            resource,
        });
    }
    let finished: Vec<Kept<'_>> = jobs
        .iter()
        .map(|job| Kept {
            job,
            fingerprint: None,
            claim: None,
        })
        .collect();
    cache.finished(&finished).await.unwrap();
    let kept = async |job: &Job| cache.find(&job.tenant, &job.resource.id).await.unwrap();
    assert_eq!(kept(&jobs[0]).await, None, "its queued entry is removed too");
    assert_eq!(kept(&jobs[1]).await.as_ref(), Some(&jobs[1].resource));
}

/// The API stops waiting for SQS, and a worker receives the message at the same moment.
#[tokio::test]
async fn the_api_and_a_worker_agree_on_whether_a_job_was_accepted() {
    let region = region().await;
    let cache = Cache::connect(&local::cloud::addresses::valkey_url(&cloud().await.instance, REGIONS[0]), None).unwrap();
    let work_on = async |id| {
        let tenant = "demo".to_owned().try_into().unwrap();
        cache.begin(&tenant, id, None, OffsetDateTime::now_utc(), true).await.unwrap()
    };
    let (withdrawn, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    assert!(cache.withdraw(&message.tenant, &withdrawn).await.unwrap());
    assert_eq!(work_on(&withdrawn).await, Work::Erased);
    assert!(cache.withdraw(&message.tenant, &withdrawn).await.unwrap(), "it stays withdrawn");

    let (begun, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    assert_eq!(work_on(&begun).await, Work::Needed);
    assert!(!cache.withdraw(&message.tenant, &begun).await.unwrap());
    cache.waiting(&[(&message.tenant, &begun)]).await.unwrap();
    assert!(cache.withdraw(&message.tenant, &begun).await.unwrap(), "its attempt has failed");

    let (_, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    let mut resource = SummaryResource::queued(
        message.job,
        Lane::Standard,
        "us-east-1".to_owned(),
        OffsetDateTime::now_utc(),
        message.options,
    );
    resource
        .fail(OffsetDateTime::now_utc(), JobError::new(FailureCode::NoSentence, "No."))
        .unwrap();
    let job = Job {
        tenant: message.tenant,
        key: None,
        resource,
    };
    let finished = Kept {
        job: &job,
        fingerprint: None,
        claim: None,
    };
    cache.finished(&[finished]).await.unwrap();
    assert!(!cache.withdraw(&job.tenant, &job.resource.id).await.unwrap());
    assert_eq!(cache.find(&job.tenant, &job.resource.id).await.unwrap(), Some(job.resource));
}
