//! What clients can do besides submitting and reading: wait, repeat, cancel, erase, and list.

use futures::future::join_all;
use local::cloud::tenant;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{
    job::{Document, FailureCode, JobError, Plan, Submission},
    ledger::Ledger,
};

use crate::{
    cloud::{Region, answer, cloud, comes_true, region, submission, valkey},
    failure::written_down,
};

/// A submission with these headers. Returns the status, the headers and the body of the answer.
async fn submit(region: &Region, body: &Value, headers: &[(&str, &str)]) -> (StatusCode, reqwest::header::HeaderMap, Value) {
    let mut request = region.request(Method::POST, "/v1/summaries").bearer_auth(tenant::KEY).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.json().await.unwrap())
}

async fn list(region: &Region, key: &str, query: &str) -> Value {
    let (status, page) = answer(region.request(Method::GET, &format!("/v1/summaries?{query}")).bearer_auth(key)).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["items"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_small_text_is_summarised_inside_the_request() {
    let region = region().await;
    let body = submission("at once");
    let (status, headers, resource) = submit(&region, &body, &[("prefer", "wait=5")]).await;
    assert_eq!(status, StatusCode::OK, "{resource}");
    assert_eq!(
        (&resource["status"], &headers["preference-applied"]),
        (&json!("succeeded"), &"wait=5".parse().unwrap())
    );
    let id = resource["id"].as_str().unwrap();
    // It is a job like any other: it can be read at once, and the archive gets it.
    assert_eq!(region.read(id).await, (StatusCode::OK, resource.clone()));
    let mut database = region.database().await;
    comes_true("the archive has the job", async || {
        let found = sqlx::query("SELECT FROM summaries WHERE id = $1").bind(id.parse::<shared::job::JobId>().unwrap().uuid());
        !found.fetch_all(&mut database).await.unwrap().is_empty()
    })
    .await;
    comes_true("its result is reused", async || {
        let (status, _, known) = submit(&region, &body, &[]).await;
        status == StatusCode::OK && known == resource
    })
    .await;
}

#[tokio::test]
async fn a_request_waits_for_a_job_of_a_lane() {
    let region = region().await;
    let body = json!({"text": crate::cloud::prose("awaited", 60_000)});
    let (status, headers, resource) = submit(&region, &body, &[("prefer", "wait=10")]).await;
    let id = resource["id"].as_str().unwrap();
    if status == StatusCode::ACCEPTED {
        // The machine is busy. A read waits as well.
        let path = format!("/v1/summaries/{id}");
        let ask = async || {
            let request = region.request(Method::GET, &path).bearer_auth(tenant::KEY);
            answer(request.header("prefer", "wait=10")).await.1
        };
        comes_true("a read that waits shows the result", async || ask().await["status"] == "succeeded").await;
    } else {
        assert_eq!((status, &resource["status"]), (StatusCode::OK, &json!("succeeded")), "{resource}");
    }
    assert_eq!(headers["preference-applied"], "wait=10");
}

#[tokio::test]
async fn a_job_that_no_worker_has_recorded_is_listed() {
    let (cloud, region) = (cloud().await, region().await);
    let key = region.other_tenant("unrecorded", Plan::Enterprise).await;
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    let nobody = sqs.create_queue().queue_name("nobody-reads-this").send().await.unwrap();
    let api = cloud.emulator("api", &[("STANDARD_URL", nobody.queue_url().unwrap())]);
    let mut event: Value = serde_json::from_str(include_str!("../../../../events/api/submit.json")).unwrap();
    event["body"] = submission("not recorded").to_string().into();
    event["headers"]["x-api-key"] = key.expose_secret().into();
    event["headers"]["prefer"] = "wait=5".into();
    let reply = api.invoke(&event).await.unwrap();
    assert_eq!(reply["statusCode"], 200, "{reply}");
    let made: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
    let page = list(&region, key.expose_secret(), "status=succeeded").await;
    assert_eq!(
        (&page["items"][0]["id"], &page["items"][0]["status"]),
        (&made["id"], &json!("succeeded")),
        "{page}"
    );
}

#[tokio::test]
async fn a_repetition_after_its_deadline_is_answered_with_its_job() {
    let region = region().await;
    let deadline = time::OffsetDateTime::now_utc() + time::Duration::seconds(3);
    let mut body = submission("with a deadline");
    body["deadline"] = deadline.format(&time::format_description::well_known::Rfc3339).unwrap().into();
    let (status, _, first) = submit(&region, &body, &[("idempotency-key", "late")]).await;
    assert!(status.is_success(), "{first}");
    comes_true("the deadline is over", async || time::OffsetDateTime::now_utc() > deadline).await;
    let (status, _, again) = submit(&region, &body, &[("idempotency-key", "late")]).await;
    assert!(status.is_success() && again["id"] == first["id"], "{again}");
    let (status, _, problem) = submit(&region, &body, &[("idempotency-key", "too late")]).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("#/deadline"))
    );
}

#[tokio::test]
async fn a_job_that_has_expired_is_not_read_from_the_ledger() {
    let region = region().await;
    let (_, message) = written_down(&region, "demo", Document::Inline("One.".into())).await;
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let mut job = ledger.find(&message.job).await.unwrap().unwrap();
    let (_, options) = Submission::parse(br#"{"text":"One.","expires_in":3600}"#).unwrap();
    job.resource.request = options;
    let early = time::OffsetDateTime::now_utc() - time::Duration::hours(2);
    let error = JobError::new(FailureCode::NoSentence, "No.");
    job.resource.fail(early, error).unwrap();
    ledger.finish(&[&job]).await.unwrap();
    assert_eq!(region.read(&message.job.to_string()).await.0, StatusCode::NOT_FOUND);
    let mut after = None;
    loop {
        let page = ledger.finished_since(early, after.as_deref()).await.unwrap();
        let found = page.jobs.contains(&job);
        assert!(!found, "an archive that has lost its jobs does not get expired ones again");
        after = page.next;
        if after.is_none() {
            break;
        }
    }
}

#[tokio::test]
async fn spans_without_any_moment_are_empty_and_odd_moments_are_explained() {
    let region = region().await;
    let moment = "2026-11-24T10:00:00Z";
    for query in [
        format!("created_from={moment}&created_to={moment}"),
        format!("created_from=2027-01-01T00:00:00Z&created_to={moment}"),
        "created_from=9999-12-31T23:59:59-01:00".to_owned(),
        "created_to=0000-01-01T00:00:00%2B01:00".to_owned(),
    ] {
        assert_eq!(list(&region, tenant::KEY, &query).await["items"], json!([]), "{query}");
    }
    let tomorrow = time::OffsetDateTime::now_utc().date() + time::Duration::DAY;
    let request = region.request(Method::GET, &format!("/v1/usage?from={tomorrow}&to={tomorrow}"));
    let (status, usage) = answer(request.bearer_auth(tenant::KEY)).await;
    assert_eq!((status, &usage["items"]), (StatusCode::OK, &json!([])), "{usage}");
    for deadline in ["9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00+01:00"] {
        let (status, _, problem) = submit(&region, &json!({"text": "One.", "deadline": deadline}), &[]).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("#/deadline")),
            "{deadline}"
        );
    }
    let request = region.request(Method::GET, "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV?field=status");
    assert_eq!(answer(request.bearer_auth(tenant::KEY)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_job_with_expires_in_zero_leaves_nothing() {
    let region = region().await;
    let mut body = submission("forgotten at once");
    body["expires_in"] = 0.into();
    let (status, _, problem) = submit(&region, &body, &[]).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("#/expires_in"))
    );
    let (status, _, resource) = submit(&region, &body, &[("prefer", "wait=5")]).await;
    assert_eq!((status, &resource["status"]), (StatusCode::OK, &json!("succeeded")), "{resource}");
    let id = resource["id"].as_str().unwrap();
    assert_eq!(region.read(id).await.0, StatusCode::NOT_FOUND);
    let mut valkey = valkey().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("*{id}*")).query_async(&mut valkey).await.unwrap();
    // For six minutes it is known when a worker has counted it, and nothing else.
    let with_content: Vec<_> = keys.iter().filter(|key| !key.contains(":started:")).collect();
    assert_eq!(with_content, Vec::<&String>::new());
    let mut database = region.database().await;
    comes_true("it is counted", async || {
        let row = "SELECT status || ':' || request::text FROM summaries WHERE id = $1 AND result IS NULL";
        let row = sqlx::query_scalar::<_, String>(row).bind(id.parse::<shared::job::JobId>().unwrap().uuid());
        row.fetch_optional(&mut database).await.unwrap().as_deref() == Some("erased:{}")
    })
    .await;
}

#[tokio::test]
async fn a_repeated_submission_makes_one_job() {
    let region = region().await;
    let body = json!({"text": crate::cloud::prose("repeated", 50_000)});
    let key = [("idempotency-key", "repeated-1")];
    let answers = join_all((0..20).map(|_| submit(&region, &body, &key))).await;
    let first = answers[0].2["id"].clone();
    for (status, _, resource) in answers {
        assert!(status.is_success(), "{resource}");
        assert_eq!(resource["id"], first);
    }
    region.succeeds(first.as_str().unwrap()).await;
    let (status, _, again) = submit(&region, &body, &key).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &first));
    // The same key with another body is refused, and so is a value that is no key.
    let (status, _, problem) = submit(&region, &submission("another"), &key).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/v1/problems#idempotency-key-reused"))
    );
    let (status, _, problem) = submit(&region, &body, &[("idempotency-key", "")]).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::BAD_REQUEST, &json!("/v1/problems#malformed-header"))
    );
    // Another tenant has its own keys.
    let other = region.other_tenant("repeater", Plan::Pro).await;
    let request = region
        .request(Method::POST, "/v1/summaries")
        .bearer_auth(other.expose_secret())
        .json(&body);
    let (status, resource) = answer(request.header("idempotency-key", "repeated-1")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
    assert_ne!(resource["id"], first);
}

#[tokio::test]
async fn identical_submissions_at_once_make_one_computation() {
    let region = region().await;
    for (seed, headers) in [("herd", &[] as &[_]), ("patient herd", &[("prefer", "wait=10")])] {
        let body = submission(seed);
        let answers = join_all((0..50).map(|_| submit(&region, &body, headers))).await;
        let mut ends = Vec::new();
        for (status, _, resource) in answers {
            assert!(status.is_success(), "{resource}");
            ends.push(region.succeeds(resource["id"].as_str().unwrap()).await);
        }
        // The engine is asked once: all jobs but those that were answered with a finished one share
        // its result.
        assert!(ends.iter().all(|end| end["result"] == ends[0]["result"]));
    }
}

#[tokio::test]
async fn a_queued_job_is_canceled_and_a_finished_one_is_erased() {
    let region = region().await;
    let ledger = shared::ledger::Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    // A job whose message is never sent stays queued.
    let (id, _) = crate::failure::written_down(&region, "demo", shared::job::Document::Inline("One.".into())).await;
    let name = id.to_string();
    let (status, canceled) = region.delete(&name).await;
    assert_eq!((status, &canceled["status"]), (StatusCode::OK, &json!("canceled")), "{canceled}");
    assert_eq!(region.read(&name).await, (StatusCode::OK, canceled));
    assert_eq!(region.delete(&name).await.0, StatusCode::NO_CONTENT);
    assert_eq!(region.read(&name).await.0, StatusCode::NOT_FOUND);

    let text = submission("to be erased");
    let erased = region.accepted(&text).await;
    region.succeeds(&erased).await;
    for _ in 0..2 {
        assert_eq!(region.delete(&erased).await, (StatusCode::NO_CONTENT, Value::String(String::new())));
    }
    assert_eq!(region.read(&erased).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ledger.find(&erased.parse().unwrap()).await.unwrap(), None);
    let mut valkey = valkey().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("*{erased}*"))
        .query_async(&mut valkey)
        .await
        .unwrap();
    assert_eq!(keys, [format!("{{demo}}:summary:{erased}")]);
    let left: String = redis::AsyncCommands::get(&mut valkey, &keys[0]).await.unwrap();
    assert_eq!(left, "erased");
    // Its result is not reused either.
    let (status, again) = region.submit(&text).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again}");
    assert_eq!(region.delete("sum_use1_01JDCR0W00E05BQ75SEB3D7PSV").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_message_that_comes_after_the_end_of_its_job_changes_nothing() {
    let region = region().await;
    for erase in [false, true] {
        let (id, message) = crate::failure::written_down(&region, "demo", shared::job::Document::Inline("One. Two.".into())).await;
        let name = id.to_string();
        assert_eq!(region.delete(&name).await.0, StatusCode::OK);
        if erase {
            assert_eq!(region.delete(&name).await.0, StatusCode::NO_CONTENT);
        }
        let before = region.read(&name).await;
        let body = shared::job::Message::Summarize(message).to_body();
        let event =
            json!({"Records": [{"messageId": "m", "receiptHandle": "r", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}]});
        let reply = region.invoke("SummarizeStandardFunction", &event).await;
        assert_eq!(reply, json!({"batchItemFailures": []}));
        assert_eq!(region.read(&name).await, before);
    }
}

#[tokio::test]
async fn a_job_that_is_not_begun_before_its_deadline_fails() {
    let region = region().await;
    let mut body = submission("too late");
    body["deadline"] = "2020-01-01T00:00:00Z".into();
    let (status, problem) = region.submit(&body).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("#/deadline"))
    );
    let (id, mut message) = crate::failure::written_down(&region, "demo", shared::job::Document::Inline("One.".into())).await;
    message.options.deadline = Some(time::OffsetDateTime::now_utc() - time::Duration::SECOND);
    let body = shared::job::Message::Summarize(message).to_body();
    let event =
        json!({"Records": [{"messageId": "m", "receiptHandle": "r", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}]});
    region.invoke("SummarizeStandardFunction", &event).await;
    let failed = region.reaches(&id.to_string(), &["failed", "succeeded"]).await;
    assert_eq!(failed["error"]["code"], "expired", "{failed}");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_after_page() {
    let region = region().await;
    let key = region.other_tenant("lister", Plan::Enterprise).await;
    let key = key.expose_secret();
    let mut made = Vec::new();
    for number in 0..7 {
        let mut body = submission(&format!("listed {number}"));
        body["metadata"] = json!({"parity": if number % 2 == 0 { "even" } else { "odd" }});
        let (status, resource) = answer(region.request(Method::POST, "/v1/summaries").bearer_auth(key).json(&body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{resource}");
        let id = resource["id"].as_str().unwrap().to_owned();
        // A client sees its own writes.
        assert_eq!(ids(&list(&region, key, "limit=1").await), std::slice::from_ref(&id));
        made.push(id);
    }
    made.reverse();
    let all = async |filter: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&region, key, &format!("limit=2{filter}{cursor}")).await;
            found.extend(ids(&page));
            let Some(next) = page["next_cursor"].as_str() else { return found };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(all("").await, made);
    comes_true("all have finished", async || all("&status=succeeded").await == made).await;
    assert_eq!(all("").await, made);
    let odd: Vec<String> = made.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(all("&metadata_key=parity&metadata_value=odd").await, odd);
    assert_eq!(all("&status=failed").await, Vec::<String>::new());
    assert_eq!(all("&lane=standard").await, made);
    assert_eq!(all("&lane=bulk").await, Vec::<String>::new());
    assert_eq!(all("&created_to=2026-01-01T00:00:00Z").await, Vec::<String>::new());
    let page = list(&region, key, "limit=1").await;
    assert!(page["items"][0].get("result").is_none(), "{page}");
    // Another tenant sees none of them.
    let stranger = region.other_tenant("no-lister", Plan::Free).await;
    assert_eq!(ids(&list(&region, stranger.expose_secret(), "").await), Vec::<String>::new());
}

#[tokio::test]
async fn excess_is_deferred_and_then_refused_and_other_tenants_do_not_feel_it() {
    let region = region().await;
    let noisy = region.other_tenant("noisy", Plan::Free).await;
    let limits = shared::quota::Limits::of(Plan::Free);
    let most = limits.key.burst() + limits.deferred.burst();
    let (mut admitted, mut deferred, mut refused) = (0, 0, 0);
    for number in 0..most + 60 {
        let body = json!({"text": format!("Noise number {number}. It goes on.")});
        let request = region.request(Method::POST, "/v1/summaries").bearer_auth(noisy.expose_secret());
        let response = request.json(&body).send().await.unwrap();
        let headers = response.headers().clone();
        assert!(
            headers.contains_key("ratelimit") && headers.contains_key("ratelimit-policy"),
            "{headers:?}"
        );
        match response.status() {
            StatusCode::ACCEPTED if headers.contains_key("summarease-admission") => {
                let job: Value = response.json().await.unwrap();
                assert_eq!((&job["lane"], &job["deferred"]), (&json!("bulk"), &json!(true)));
                deferred += 1;
            }
            StatusCode::ACCEPTED => admitted += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
                refused += 1;
                if refused > 3 {
                    break;
                }
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        admitted >= limits.key.burst() && deferred >= limits.deferred.burst() && refused > 0,
        "{admitted} {deferred} {refused}"
    );
    let calm = region.other_tenant("calm", Plan::Free).await;
    let request = region
        .request(Method::POST, "/v1/summaries")
        .bearer_auth(calm.expose_secret())
        .json(&submission("calm"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(!response.headers().contains_key("summarease-admission"));
}
