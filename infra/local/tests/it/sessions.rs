//! Sessions: what they may do, how they end, and that they do not belong to a process.

use local::cloud::addresses;
use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{
    cache::{Cache, LONGEST, MOST_SESSIONS, Session, Token},
    directory::REMEMBERED,
    job::{KeyHash, Scopes, TenantId},
};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::{
    access::{Client, ask, operator, refused, seconds_until, status},
    cloud::{REGIONS, cloud, submission, valkey},
};

const SCOPES: [&str; 5] = ["summaries:read", "summaries:write", "usage:read", "keys", "sessions"];

async fn open(client: &Client, body: Value) -> (String, Value) {
    let made = client.done(Method::POST, "/v1/sessions", Some(body)).await;
    (made["token"].as_str().unwrap().to_owned(), made)
}

async fn cache() -> Cache {
    Cache::connect(&addresses::valkey_url(&cloud().await.instance, REGIONS[0]), None).unwrap()
}

fn tenant(id: &str) -> TenantId {
    id.to_owned().try_into().unwrap()
}

#[tokio::test]
async fn a_session_submits_and_reads_and_does_nothing_else() {
    let (client, key) = operator().await.tenant("session-use", &SCOPES).await;
    let (token, session) = open(&client, json!({})).await;
    assert_eq!(session["key"], key["id"]);
    assert_eq!(session["scopes"], json!(["summaries:read", "summaries:write", "usage:read"]));
    let user = client.with(&token);
    let (status, job) = user.post("/v1/summaries", submission("with a session")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let path = job["links"]["self"].as_str().unwrap();
    assert_eq!(user.get(path).await.0, StatusCode::OK);
    let as_header = client.region.request(Method::GET, path).header("x-api-key", &token);
    assert_eq!(as_header.send().await.unwrap().status(), StatusCode::OK);

    refused(&user.post("/v1/sessions", json!({})).await, 403, "`sessions`");
    refused(&user.delete("/v1/sessions").await, 403, "`sessions`");
    refused(&user.get("/v1/keys").await, 403, "`keys`");
    refused(
        &user.post("/v1/keys", json!({"name": "a", "scopes": ["keys"]})).await,
        403,
        "`keys`",
    );
    refused(&user.get("/v1/audit").await, 403, "`keys`");
    refused(&user.get("/v1/tenants").await, 403, "`admin`");
    let (reader, _) = open(&client, json!({"scopes": ["summaries:read"]})).await;
    refused(
        &client.with(&reader).post("/v1/summaries", submission("not allowed")).await,
        403,
        "`summaries:write`",
    );
}

#[tokio::test]
async fn bad_requests_for_sessions_are_explained() {
    let (client, _) = operator().await.tenant("session-bad", &["sessions", "summaries:read"]).await;
    for (body, status, says) in [
        (json!({"ttl_seconds": 59}), 422, "60 to 86400"),
        (json!({"ttl_seconds": 86_401}), 422, "#/ttl_seconds"),
        (json!({"ttl_seconds": "900"}), 422, "a whole number"),
        (json!({"sliding": 1}), 422, "#/sliding"),
        (json!({"scopes": []}), 422, "#/scopes"),
        (json!({"scopes": ["keys"]}), 422, "cannot have the scope `keys`"),
        (json!({"scopes": ["admin"]}), 422, "cannot have the scope `admin`"),
        (json!({"scopes": ["all"]}), 422, "#/scopes/0"),
        (json!({"scopes": ["summaries:write"]}), 403, "`summaries:write`"),
        (json!({"ttl": 900}), 422, "unknown field `ttl`"),
        (json!([]), 400, "not a JSON object"),
    ] {
        refused(&client.post("/v1/sessions", body).await, status, says);
    }
    for path in ["/v1/sessions?limit=0", "/v1/sessions?cursor=x"] {
        refused(&client.get(path).await, 422, "?");
    }
    let unknown = client.delete("/v1/sessions/ses_0123456789abcdef0123").await;
    refused(&unknown, 404, "not-found");
    assert_eq!(client.delete("/v1/sessions/no-session").await, unknown);
    for token in [
        "ses_session-bad.",
        "ses_session-bad.0123456789012345678901234567890123456789012",
        "ses_",
    ] {
        refused(&client.with(token).get("/v1/keys").await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_session_survives_its_process_and_ends_everywhere_within_five_seconds() {
    let (client, _) = operator().await.tenant("session-end", &SCOPES).await;
    let first = cloud().await.emulator("api", &[]);
    let made = ask(&first, &client.key, "POST", "/v1/sessions", Some(json!({"ttl_seconds": 600}))).await;
    assert_eq!(made["statusCode"], 201, "{made}");
    let made: Value = serde_json::from_str(made["body"].as_str().unwrap()).unwrap();
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(status(&first, token).await, 404);
    // The process is killed.
    drop(first);

    let processes = [cloud().await.emulator("api", &[]), cloud().await.emulator("api", &[])];
    for process in &processes {
        assert_eq!(status(process, token).await, 404, "the session is known to another process");
    }
    assert_eq!(client.delete(&format!("/v1/sessions/{id}")).await.0, StatusCode::NO_CONTENT);
    let ended = Instant::now();
    let seconds = seconds_until(401, &processes, token, ended).await;
    assert!(seconds <= 5.0, "a process accepted the session {seconds} s after it was ended");
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_with_the_suspension_of_its_tenant() {
    let admin = operator().await;
    let (client, key) = admin.tenant("session-key", &SCOPES).await;
    let (other, _) = admin.key("session-key", &SCOPES).await;
    let (token, _) = open(&client, json!({})).await;
    let (suspended, _) = open(&other, json!({})).await;
    let processes = [cloud().await.emulator("api", &[]), cloud().await.emulator("api", &[])];
    for process in &processes {
        for secret in [&token, &suspended, &client.key] {
            assert_eq!(status(process, secret).await, 404);
        }
    }
    let path = format!("/v1/tenants/session-key/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(admin.delete(&path).await.0, StatusCode::NO_CONTENT);
    let revoked = Instant::now();
    for secret in [&token, &client.key] {
        let seconds = seconds_until(401, &processes, secret, revoked).await;
        assert!(
            seconds <= REMEMBERED.as_secs_f64(),
            "a process accepted a revoked key or its session after {seconds} s"
        );
    }
    for process in &processes {
        assert_eq!(status(process, &suspended).await, 404, "the session of another key goes on");
    }
    admin
        .done(Method::PATCH, "/v1/tenants/session-key", Some(json!({"status": "suspended"})))
        .await;
    let changed = Instant::now();
    let seconds = seconds_until(403, &processes, &suspended, changed).await;
    assert!(
        seconds <= REMEMBERED.as_secs_f64(),
        "a process accepted a suspended tenant after {seconds} s"
    );
}

#[tokio::test]
async fn without_the_cache_no_session_is_believed_and_keys_work() {
    let (client, _) = operator().await.tenant("session-cache", &SCOPES).await;
    let (token, _) = open(&client, json!({})).await;
    let process = cloud().await.emulator("api", &[("VALKEY_URL", "redis://127.0.0.1:1")]);
    let reply = ask(&process, &token, "GET", "/v1/summaries/sum_use1_01JDCR0W00E05BQ75SEB3D7PSV", None).await;
    assert_eq!(
        (&reply["statusCode"], &reply["headers"]["retry-after"]),
        (&json!(503), &json!("5")),
        "{reply}"
    );
    assert!(reply["body"].as_str().unwrap().contains("Use your API key"), "{reply}");
    assert_eq!(status(&process, &client.key).await, 404);
    let listed = ask(&process, &client.key, "GET", "/v1/keys", None).await;
    let body: Value = serde_json::from_str(listed["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&listed["statusCode"], &body["items"][0]["last_used_at"]),
        (&json!(200), &Value::Null)
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_together() {
    let admin = operator().await;
    let (client, key) = admin.tenant("session-many", &SCOPES).await;
    let (stranger, _) = admin.tenant("session-stranger", &SCOPES).await;
    let (cache, name, now) = (cache().await, tenant("session-many"), OffsetDateTime::now_utc());
    let hash = KeyHash::of(&client.key);
    for _ in 0..MOST_SESSIONS {
        let (_, token) = Token::fresh(&name).unwrap();
        let session = Session::new(hash, Scopes::SESSION, 900, false, now);
        assert!(cache.open_session(&token, &session).await.unwrap());
    }
    refused(&client.post("/v1/sessions", json!({})).await, 409, "1000 sessions");

    let first = client.done(Method::GET, "/v1/sessions?limit=2", None).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = client
        .done(Method::GET, &format!("/v1/sessions?limit=100&cursor={cursor}"), None)
        .await;
    let id = |page: &Value, number: usize| page["items"][number]["id"].as_str().unwrap().to_owned();
    assert!(id(&first, 0) < id(&first, 1) && id(&first, 1) < id(&second, 0));
    assert_eq!(
        (second["items"].as_array().unwrap().len(), &second["items"][0]["key"]),
        (100, &key["id"])
    );
    assert!(second["items"][0].get("token").is_none());

    // Another tenant neither sees nor ends them.
    assert_eq!(stranger.done(Method::GET, "/v1/sessions", None).await["items"], json!([]));
    let unknown = stranger.delete("/v1/sessions/ses_0123456789abcdef0123").await;
    assert_eq!(stranger.delete(&format!("/v1/sessions/{}", id(&first, 0))).await, unknown);
    assert_eq!(stranger.done(Method::DELETE, "/v1/sessions", None).await, json!({"ended": 0}));

    client.done(Method::DELETE, &format!("/v1/sessions/{}", id(&first, 0)), None).await;
    let ended = client.done(Method::DELETE, "/v1/sessions", None).await;
    assert_eq!(ended, json!({"ended": MOST_SESSIONS - 1}));
    assert_eq!(client.done(Method::GET, "/v1/sessions", None).await, json!({"items": []}));
    let log = client.done(Method::GET, "/v1/audit?limit=1", None).await;
    assert_eq!(log["items"][0]["action"], "sessions.revoked", "{log}");
    assert_eq!(client.post("/v1/sessions", json!({})).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn the_cache_keeps_a_session_for_its_time_and_not_its_token() {
    let (cache, name, now) = (cache().await, tenant("session-kept"), OffsetDateTime::now_utc());
    let hash = KeyHash::of("sk_of_the_session");
    let (secret, sliding) = Token::fresh(&name).unwrap();
    let session = Session::new(hash, Scopes::SESSION, 60, true, now);
    assert!(cache.open_session(&sliding, &session).await.unwrap());
    let ends = async |token: &Token, after: Duration| {
        let used = cache.use_session(token, now + after).await.unwrap();
        used.map(|session| session.expires_at - now.unix_timestamp())
    };
    assert_eq!(ends(&sliding, Duration::seconds(30)).await, Some(90), "a use moves the end");
    let late = LONGEST - Duration::seconds(10);
    assert_eq!(ends(&sliding, late).await, Some(LONGEST.whole_seconds()), "but not past a day");
    let (_, fixed) = Token::fresh(&name).unwrap();
    let session = Session::new(hash, Scopes::SESSION, 60, false, now);
    assert!(cache.open_session(&fixed, &session).await.unwrap());
    assert_eq!(ends(&fixed, Duration::seconds(30)).await, Some(60));

    let mut valkey = valkey().await;
    let keys: Vec<String> = valkey.keys("{session-kept}:*").await.unwrap();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in &keys {
        let ttl: i64 = valkey.ttl(key).await.unwrap();
        assert!((1..=LONGEST.whole_seconds()).contains(&ttl), "{key} is kept for {ttl} s");
        let value: String = redis::cmd("DUMP")
            .arg(key)
            .query_async::<Vec<u8>>(&mut valkey)
            .await
            .map(|dump| String::from_utf8_lossy(&dump).into_owned())
            .unwrap();
        let random = secret.expose_secret().split_once('.').unwrap().1;
        assert!(!value.contains(random) && !key.contains(random), "{key} holds the token");
    }
    // A session that is not in the index could not be ended, so it cannot be used.
    let () = valkey.del("{session-kept}:sessions").await.unwrap();
    assert_eq!(ends(&fixed, Duration::ZERO).await, None);
}
