//! Operators look at dead letters, replay them and purge them, one by one and by a filter.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{
    job::{Attempt, Document, FailureCode, JobError, JobId, Message},
    ledger::Ledger,
};

use crate::{
    access::{Client, operator},
    cloud::{SUPERVISOR, comes_true, prose},
    failure::written_down,
};

const LETTERS: &str = "/v1/dead-letters";

/// A client of a new tenant.
async fn tenant(admin: &Client, name: &str) -> Client {
    let scopes = ["summaries:read", "summaries:write", "usage:read"];
    admin.tenant(name, &scopes).await.0
}

/// Failed jobs of a tenant, whose messages are dead letters. Their last attempts have failed for a reason
/// that may lie in the jobs.
async fn parked(admin: &Client, tenant: &str, texts: &[&str]) -> Vec<(JobId, String)> {
    let region = &admin.region;
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    let ledger = Ledger::new(&region.sdk, region.outputs["LedgerTable"].clone());
    let failed = JobError::new(FailureCode::WorkerPanicked, "The worker failed.");
    let attempt = Attempt::unreported(20, time::OffsetDateTime::now_utc(), failed);
    let mut letters = Vec::new();
    for text in texts {
        let (id, message) = written_down(region, tenant, Document::Inline(prose(text, 500))).await;
        for earlier in 0..5 {
            ledger.note(&[(&id, Some(earlier), &attempt)]).await.unwrap();
        }
        let letter = sqs.send_message().queue_url(&region.outputs["StandardDeadLetters"]);
        let sent = letter.message_body(Message::Summarize(message).to_body()).send().await.unwrap();
        letters.push((id, sent.message_id.unwrap()));
    }
    let letter = |id: &str| format!("{LETTERS}/{id}/replay");
    comes_true("the letters are parked", async || {
        region.invoke("RedriveFunction", &json!({})).await;
        listed(admin, &format!("?tenant={tenant}&limit=100")).await.len() >= texts.len()
    })
    .await;
    let (_, early) = &letters[0];
    let (status, problem) = admin.send(Method::POST, &letter(early), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "it was parked a moment ago: {problem}");
    settle(admin, tenant).await;
    letters
}

/// Makes two minutes pass for the letters of a tenant. Before that, none can be replayed.
async fn settle(admin: &Client, tenant: &str) {
    let older = "UPDATE dead_letters SET parked_at = parked_at - interval '2 minutes' WHERE tenant = $1";
    let mut database = admin.region.database().await;
    sqlx::query(older).bind(tenant).execute(&mut database).await.unwrap();
}

async fn listed(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.done(Method::GET, &format!("{LETTERS}{query}"), None).await;
    page["items"].as_array().unwrap().clone()
}

async fn succeeds(client: &Client, job: &JobId) -> Value {
    let path = format!("/v1/summaries/{job}");
    let mut read = Value::Null;
    comes_true("the job succeeds", async || {
        read = client.done(Method::GET, &path, None).await;
        assert_ne!(read["status"], "failed", "{read}");
        read["status"] == "succeeded"
    })
    .await;
    read
}

/// Accepted, succeeded and failed jobs.
async fn counted(client: &Client) -> [i64; 3] {
    let usage = client.done(Method::GET, "/v1/usage", None).await;
    let rows = usage["items"].as_array().unwrap().clone();
    ["accepted", "succeeded", "failed"].map(|name| rows.iter().filter_map(|row| row[name].as_i64()).sum())
}

#[tokio::test]
async fn a_replayed_job_keeps_its_id_and_its_history_and_is_counted_once() {
    let admin = operator().await;
    let client = tenant(&admin, "replays").await;
    let letters = parked(&admin, "replays", &["the only one"]).await;
    let (job, letter) = &letters[0];
    assert_eq!(client.get(LETTERS).await.0, StatusCode::FORBIDDEN, "only an operator may look");
    assert_eq!(counted(&client).await, [1, 0, 1]);

    let found = listed(&admin, &format!("?job={job}&status=parked&lane=standard&reason=retries_exhausted")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], letter.as_str());
    assert_eq!(found[0]["region"], "us-east-1");
    let path = format!("{LETTERS}/{letter}");
    let shown = admin.done(Method::GET, &path, None).await;
    assert_eq!(shown["summary"]["status"], "failed", "{shown}");
    assert_eq!(shown["summary"]["attempts"].as_array().unwrap().len(), 5, "{shown}");
    assert_eq!(shown["body_key"], format!("dead-letters/standard/{letter}"), "{shown}");
    let before = client.done(Method::GET, &format!("/v1/summaries/{job}"), None).await;
    assert_eq!(before["status"], "failed", "{before}");

    let refused = client.post(&format!("{path}/replay"), json!({})).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN, "{}", refused.1);
    let (status, replayed) = admin.send(Method::POST, &format!("{path}/replay"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{replayed}");
    assert_eq!((&replayed["id"], &replayed["status"]), (&json!(job.to_string()), &json!("queued")));
    let after = succeeds(&client, job).await;
    let codes: Vec<&str> = after["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|attempt| attempt["code"].as_str())
        .collect();
    assert_eq!(codes, [["worker_panicked"; 5].as_slice(), &["replayed"]].concat(), "{after}");
    assert_eq!(counted(&client).await, [1, 1, 0]);

    assert_eq!(listed(&admin, "?tenant=replays&status=parked").await, Vec::<Value>::new());
    let (status, conflict) = admin.send(Method::POST, &format!("{path}/replay"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{conflict}");
    assert!(conflict["detail"].as_str().unwrap().contains("has succeeded"), "{conflict}");
    let log = admin.done(Method::GET, "/v1/audit?tenant=replays", None).await;
    let replays: Vec<&Value> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "dead_letter.replayed")
        .collect();
    assert_eq!(replays.len(), 1, "a replay that is refused has no entry: {log}");
    assert_eq!(replays[0]["subject"], letter.as_str(), "{log}");
    let body = json!({"action": "replay", "filter": {"tenant": "replays", "status": "replayed"}});
    let selected = admin.done(Method::POST, &format!("{LETTERS}/selections"), Some(body)).await;
    assert_eq!(selected["count"], 0, "its job has succeeded: {selected}");

    assert_eq!(admin.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&format!("{LETTERS}/unknown")).await.0, StatusCode::NOT_FOUND);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/replay")),
    ] {
        assert_eq!(admin.send(method, &path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(succeeds(&client, job).await, after, "a purge changes no job");
}

#[tokio::test]
async fn a_wrong_filter_is_named() {
    let admin = operator().await;
    let selections = format!("{LETTERS}/selections");
    for (body, pointer) in [
        (json!({"action": "replay", "filter": {}}), "#/filter"),
        (json!({"action": "purge", "filter": {"region": "us-east-1"}}), "#/filter"),
        (
            json!({"action": "purge", "filter": {"region": "eu-west-1", "lane": "bulk"}}),
            "#/filter/region",
        ),
        (json!({"action": "purge", "filter": {"tenant": "Not a name"}}), "#/filter/tenant"),
        (json!({"action": "purge", "filter": {"tenant": 5}}), "#/filter/tenant"),
        (json!({"action": "purge", "filter": {"tenants": "acme"}}), "#/filter/tenants"),
        (json!({"action": "keep", "filter": {"tenant": "acme"}}), "#/action"),
        (json!({"action": "purge"}), "#"),
    ] {
        let (status, problem) = admin.post(&selections, body.clone()).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{body}: {problem}"
        );
    }
    for (query, pointer) in [
        ("lane=fast", "?lane"),
        ("job=4711", "?job"),
        ("parked_from=today", "?parked_from"),
        ("why=1", "?why"),
        ("reason=%00", "?reason"),
        ("parked_from=9999-12-31T23:59:59-01:00", "?parked_from"),
        ("cursor=MS45OTk5LTEyLTMxVDIzOjU5OjU5LTAxOjAwL3g", "?cursor"),
    ] {
        let (status, problem) = admin.get(&format!("{LETTERS}?{query}")).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{query}: {problem}"
        );
    }
}

#[tokio::test]
async fn a_selection_is_frozen_and_is_done_when_it_is_confirmed() {
    let admin = operator().await;
    let client = tenant(&admin, "selected").await;
    let first = parked(&admin, "selected", &["one", "two", "three"]).await;
    let selections = format!("{LETTERS}/selections");
    let body = json!({"action": "replay", "filter": {"tenant": "selected"}});
    let selection = admin.done(Method::POST, &selections, Some(body)).await;
    assert_eq!((&selection["count"], &selection["more"]), (&json!(3), &json!(false)), "{selection}");
    let later = parked(&admin, "selected", &["four", "five", "six", "seven"]).await;
    assert_eq!(
        listed(&admin, "?tenant=selected&status=parked").await.len(),
        7,
        "selecting changes nothing"
    );
    // The client erases one of the selected jobs meanwhile.
    let (erased, _) = &first[0];
    assert_eq!(client.delete(&format!("/v1/summaries/{erased}")).await.0, StatusCode::NO_CONTENT);

    let address = format!("{selections}/{}", selection["id"].as_str().unwrap());
    let read = admin.done(Method::GET, &address, None).await;
    assert_eq!(
        (&read["letters"], &read["action"]),
        (&selection["letters"], &json!("replay")),
        "{read}"
    );
    assert_eq!(client.get(&address).await.0, StatusCode::FORBIDDEN);
    let confirm = format!("{address}/confirm");
    assert_eq!(client.send(Method::POST, &confirm, None).await.0, StatusCode::FORBIDDEN);
    let done = admin.done(Method::POST, &confirm, None).await;
    assert_eq!((&done["done"], &done["left"]), (&json!(2), &json!(0)), "{done}");
    assert_eq!(done["action"], "replay", "{done}");
    assert_eq!(done["skipped"].as_array().unwrap().len(), 1, "{done}");
    let again = admin.done(Method::POST, &confirm, None).await;
    assert_eq!((&again["done"], &again["left"]), (&json!(0), &json!(0)), "it is done once: {again}");
    for (job, _) in &first[1..] {
        succeeds(&client, job).await;
    }
    assert_eq!(client.get(&format!("/v1/summaries/{erased}")).await.0, StatusCode::NOT_FOUND);
    for (job, _) in &later {
        assert_eq!(
            client.done(Method::GET, &format!("/v1/summaries/{job}"), None).await["status"],
            "failed"
        );
    }
    assert_eq!(counted(&client).await, [7, 2, 5], "{done}");

    let mut pages = Vec::new();
    let mut query = "?tenant=selected&limit=2".to_owned();
    loop {
        let page = admin.done(Method::GET, &format!("{LETTERS}{query}"), None).await;
        pages.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|letter| letter["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?tenant=selected&limit=2&cursor={cursor}");
    }
    let mut all: Vec<String> = first[1..].iter().chain(&later).map(|(_, letter)| letter.clone()).collect();
    let mut read = pages.clone();
    all.sort();
    read.sort();
    assert_eq!(read, all, "each letter is on one page");
    let selected = command(&admin, &["purge", "--tenant", "selected", "--status", "parked"]);
    let (purge, next) = selected.rsplit_once("Nothing was done yet.").unwrap();
    let purge: Value = serde_json::from_str(purge).unwrap();
    assert_eq!(purge["count"], 4, "{purge}");
    assert_eq!(listed(&admin, "?tenant=selected").await.len(), 6);
    let confirm = ["confirm", next.split_whitespace().last().unwrap()];
    let selected = command(&admin, &["show-selection", confirm[1]]);
    assert_eq!(serde_json::from_str::<Value>(&selected).unwrap()["count"], 4, "{selected}");
    assert_eq!(command(&admin, &confirm), "Purged 4 letters.\n");
    assert!(command(&admin, &confirm).starts_with("There was nothing to purge"));
    assert_eq!(command(&admin, &["list", "--tenant", "selected"]).lines().count(), 2);
    let nothing = command(&admin, &["replay", "--tenant", "selected", "--reason", "none"]);
    assert!(
        nothing.contains("There is nothing to replay") && !nothing.contains("confirm"),
        "{nothing}"
    );
}

#[tokio::test]
async fn a_wrong_command_asks_for_nothing_else() {
    let admin = operator().await;
    for (arguments, says) in [
        (&["show", ""][..], "an id has the form"),
        (&["purge", ".."], "an id has the form"),
        (&["purge", "../sessions"], "an id has the form"),
        (&["replay", "?status=parked"], "an id has the form"),
        (&["confirm", "../selections"], "an id has the form"),
        (&["list", "--tenant", "acme&limit=1"], "name of a tenant"),
        (&["list", "--lane", "fast"], "possible values: express, standard, bulk"),
        (&["list", "--parked-from", "2026-11-24"], "such as `2026-11-24T00:00:00Z`"),
        (&["list", "--region", "us-east-1"], "SUMMAREASE_URL"),
    ] {
        let error = local::tools::process::run(&mut asking(&admin, arguments), "ask for dead letters").unwrap_err();
        assert!(error.to_string().contains(says), "{arguments:?}: {error}");
    }
    let mut elsewhere = asking(&admin, &["list"]);
    elsewhere.env("SUMMAREASE_URL", "hello");
    let error = local::tools::process::run(&mut elsewhere, "ask for dead letters").unwrap_err();
    assert!(error.to_string().contains("the address of the API is `hello`"), "{error}");
}

/// What `cargo local dead-letters` prints.
fn command(admin: &Client, arguments: &[&str]) -> String {
    local::tools::process::run(&mut asking(admin, arguments), "ask for dead letters").unwrap()
}

fn asking(admin: &Client, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(SUPERVISOR);
    command.arg("dead-letters").args(arguments);
    command.env("SUMMAREASE_URL", &admin.region.url);
    command
}
