//! Tenants, their keys, what keys may do, and the audit log.

use std::{collections::BTreeSet, fs, process::Command};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use local::{
    cloud::{
        addresses, deploy,
        tenant::{ADMIN_KEY, KEY},
    },
    tools::{process, python::Environment},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{
    directory::{ActError, Actor, Directory, MOST_KEYS, NewKey, Standing, Tenant, fresh_key},
    job::{KeyHash, Plan, Scopes},
    quota::{Limits, Overrides, Rate},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    access::{Client, operator, refused, seconds_until, status},
    cloud::{REGIONS, SUPERVISOR, cloud, comes_true, region, submission},
};

const SCOPES: [&str; 5] = ["summaries:read", "summaries:write", "usage:read", "keys", "sessions"];

async fn directory() -> Directory {
    let region = region().await;
    Directory::new(&region.sdk, region.outputs["DirectoryTable"].clone())
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// The actions in the audit log of a tenant, the newest first.
async fn actions(client: &Client, tenant: &str) -> Vec<String> {
    let log = client
        .done(Method::GET, &format!("/v1/audit?limit=100&tenant={tenant}"), None)
        .await;
    let entries = log["items"].as_array().unwrap().iter();
    entries.map(|entry| text(entry, "action")).collect()
}

#[tokio::test]
async fn a_tenant_is_made_changed_and_suspended() {
    let admin = operator().await;
    let body = json!({"id": "life", "plan": "free"});
    let (code, made) = admin.post("/v1/tenants", body.clone()).await;
    assert_eq!(code, StatusCode::CREATED, "{made}");
    assert_eq!((&made["status"], &made["limits"]), (&json!("active"), &json!({})));
    refused(&admin.post("/v1/tenants", body).await, 409, "already");
    assert_eq!(admin.done(Method::GET, "/v1/tenants/life", None).await, made);
    refused(&admin.get("/v1/tenants/no-such-tenant").await, 404, "not-found");
    refused(&admin.get("/v1/tenants/NO").await, 404, "not-found");

    let (client, key) = admin.key("life", &SCOPES).await;
    let rate = json!({"per_minute": 7, "burst": 3});
    let limits = json!({"tenant": rate, "deferred": rate});
    let change = json!({"plan": "pro", "limits": limits});
    let changed = admin.done(Method::PATCH, "/v1/tenants/life", Some(change)).await;
    assert_eq!((&changed["plan"], &changed["limits"]), (&json!("pro"), &limits));

    // The holder of a key has the limits of the plan, those of the tenant, and those of the key.
    let own = json!({"name": "Slow", "scopes": ["summaries:write"], "limits": {"per_minute": 5, "burst": 1}});
    let slow = admin.done(Method::POST, "/v1/tenants/life/keys", Some(own)).await;
    let directory = directory().await;
    let holder = directory.holder(&text(&slow, "key").into()).await.unwrap().unwrap();
    let (seven, five) = (Rate::new(7, 3).unwrap(), Rate::new(5, 1).unwrap());
    assert_eq!(
        holder.limits,
        Limits {
            key: five,
            tenant: seven,
            deferred: seven
        }
    );
    assert_eq!((holder.tenant.plan, holder.key.to_string()), (Plan::Pro, text(&slow, "id")));
    let holder = directory.holder(&client.key.as_str().into()).await.unwrap().unwrap();
    assert_eq!(holder.limits.key, Limits::of(Plan::Pro).key);

    assert_eq!(client.get("/v1/keys").await.0, StatusCode::OK);
    let suspend = json!({"status": "suspended"});
    admin.done(Method::PATCH, "/v1/tenants/life", Some(suspend.clone())).await;
    comes_true("the suspension is known", async || {
        client.get("/v1/keys").await.0 == StatusCode::FORBIDDEN
    })
    .await;
    // Another process of the API may have looked up the key before.
    let mut answer = (StatusCode::OK, Value::Null);
    comes_true("a submission is refused", async || {
        answer = client.post("/v1/summaries", submission("suspended")).await;
        answer.0 == StatusCode::FORBIDDEN
    })
    .await;
    refused(&answer, 403, "suspended");
    refused(
        &admin.send(Method::PATCH, "/v1/tenants/operator", Some(suspend)).await,
        409,
        "cannot suspend itself",
    );
    admin
        .done(Method::PATCH, "/v1/tenants/life", Some(json!({"status": "active"})))
        .await;
    comes_true("the activation is known", async || client.get("/v1/keys").await.0 == StatusCode::OK).await;

    let log = admin.done(Method::GET, "/v1/audit?tenant=life&limit=3", None).await;
    let entries = log["items"].as_array().unwrap();
    assert_eq!(entries[0]["changes"], json!({"status": {"before": "suspended", "after": "active"}}));
    assert_eq!(entries[2]["action"], "key.created");
    assert_eq!(entries[0]["actor"]["tenant"], "operator");
    assert!(!text(&entries[0], "request_id").is_empty());
    let older = format!("/v1/audit?tenant=life&cursor={}", text(&log, "next_cursor"));
    let older = admin.done(Method::GET, &older, None).await;
    let before: Vec<_> = older["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| text(entry, "action"))
        .collect();
    assert_eq!(before, ["tenant.changed", "key.created", "tenant.created"]);
    assert_eq!(older["items"][1]["subject"], key["id"]);
}

#[tokio::test]
async fn lists_of_tenants_have_pages() {
    let admin = operator().await;
    for number in 0..3 {
        let body = json!({"id": format!("page-{number}"), "plan": "free"});
        admin.done(Method::POST, "/v1/tenants", Some(body)).await;
    }
    let (mut found, mut path) = (Vec::new(), "/v1/tenants?limit=2".to_owned());
    loop {
        let page = admin.done(Method::GET, &path, None).await;
        assert!(page["items"].as_array().unwrap().len() <= 2);
        found.extend(page["items"].as_array().unwrap().iter().map(|tenant| text(tenant, "id")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/tenants?limit=2&cursor={cursor}");
    }
    assert!(found.is_sorted(), "{found:?}");
    let known: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert!(
        known.is_superset(&["demo", "operator", "page-0", "page-1", "page-2"].into()),
        "{found:?}"
    );
    assert_eq!(known.len(), found.len());
}

#[tokio::test]
async fn a_key_is_made_listed_rotated_and_revoked_by_its_tenant() {
    let (client, first) = operator().await.tenant("rotation", &SCOPES).await;
    let body = json!({"name": "  Nightly import ", "scopes": ["summaries:read"], "expires_at": "2030-01-01T00:00:00Z"});
    let made = client.done(Method::POST, "/v1/keys", Some(body)).await;
    let (secret, id) = (text(&made, "key"), text(&made, "id"));
    assert!(secret.starts_with("sk_") && secret.len() == 51, "{secret}");
    assert_eq!(
        (text(&made, "name"), text(&made, "prefix")),
        ("Nightly import".to_owned(), format!("{}…", &secret[..8]))
    );
    let user = client.with(&secret);
    refused(&user.post("/v1/summaries", submission("read only")).await, 403, "`summaries:write`");
    refused(&user.get("/v1/keys").await, 403, "`keys`");

    let listed = client.done(Method::GET, "/v1/keys", None).await;
    let keys = listed["items"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let of = |id: &Value| keys.iter().find(|key| key["id"] == *id).unwrap();
    assert!(of(&first["id"])["last_used_at"].is_string() && of(&made["id"])["last_used_at"].is_string());
    assert!(keys.iter().all(|key| key.get("key").is_none()));
    let one = client.done(Method::GET, "/v1/keys?limit=1", None).await;
    let two = client
        .done(Method::GET, &format!("/v1/keys?limit=1&cursor={}", text(&one, "next_cursor")), None)
        .await;
    assert_eq!(json!([one["items"][0], two["items"][0]]), listed["items"]);
    assert!(two.get("next_cursor").is_none());

    let processes = [cloud().await.emulator("api", &[]), cloud().await.emulator("api", &[])];
    for process in &processes {
        assert_eq!(status(process, &secret).await, 404);
    }
    let path = format!("/v1/keys/{id}/rotate");
    let rotated = client.done(Method::POST, &path, Some(json!({"overlap_seconds": 3}))).await;
    let ends = Instant::now() + std::time::Duration::from_secs(3);
    let renewed = text(&rotated, "key");
    for field in ["name", "scopes", "expires_at"] {
        assert_eq!(rotated[field], made[field], "{field}");
    }
    refused(&client.post(&path, json!({})).await, 409, &text(&rotated, "id"));
    for process in &processes {
        assert_eq!(
            (status(process, &secret).await, status(process, &renewed).await),
            (404, 404),
            "both are valid"
        );
    }
    let seconds = seconds_until(401, &processes, &secret, ends).await;
    let most = shared::directory::REMEMBERED.as_secs_f64();
    assert!(seconds <= most, "a process accepted the old key {seconds} s after its end");

    let path = format!("/v1/keys/{}", text(&rotated, "id"));
    assert_eq!(client.delete(&path).await.0, StatusCode::NO_CONTENT);
    refused(&client.delete(&path).await, 404, "not-found");
    refused(&client.delete(&format!("/v1/keys/{id}")).await, 404, "not-found");
    let left = client.done(Method::GET, "/v1/keys", None).await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(
        actions(&client, "rotation").await,
        ["key.revoked", "key.rotated", "key.created", "key.created", "tenant.created"]
    );
    let log = client.done(Method::GET, "/v1/audit", None).await.to_string();
    for secret in [&secret, &renewed, &client.key] {
        assert!(!log.contains(secret.as_str()) && !log.contains(&KeyHash::of(secret).to_string()));
    }
}

#[tokio::test]
async fn no_key_gets_more_than_it_has() {
    let admin = operator().await;
    let (strong, strong_key) = admin.tenant("escalation", &SCOPES).await;
    let (weak, weak_key) = admin.key("escalation", &["keys", "summaries:read"]).await;
    let strong_path = format!("/v1/keys/{}", text(&strong_key, "id"));
    for scope in ["summaries:write", "usage:read", "sessions", "admin"] {
        let body = json!({"name": "More", "scopes": ["summaries:read", scope]});
        refused(&weak.post("/v1/keys", body).await, 403, &format!("`{scope}`"));
    }
    refused(
        &weak.post(&format!("{strong_path}/rotate"), json!({})).await,
        403,
        "`summaries:write`",
    );
    refused(&weak.delete(&strong_path).await, 403, "`summaries:write`");
    let limits = json!({"name": "Fast", "scopes": ["summaries:read"], "limits": {"per_minute": 1_000_000, "burst": 1_000_000}});
    refused(&strong.post("/v1/keys", limits).await, 403, "`admin`");
    for (method, path) in [
        (Method::GET, "/v1/tenants"),
        (Method::GET, "/v1/tenants/escalation"),
        (Method::PATCH, "/v1/tenants/escalation"),
        (Method::GET, "/v1/tenants/escalation/keys"),
        (Method::GET, "/v1/tenants/no-such-tenant/keys"),
        (Method::DELETE, "/v1/tenants/escalation/keys/key_00000000000000000000"),
        (Method::POST, "/v1/tenants/escalation/keys/key_00000000000000000000/rotate"),
    ] {
        refused(&strong.send(method, path, None).await, 403, "`admin`");
    }
    // An admin that lacks a scope cannot give it either.
    let (narrow, _) = admin.key("operator", &["admin", "keys"]).await;
    let body = json!({"name": "More", "scopes": ["summaries:write"]});
    refused(&narrow.post("/v1/tenants/escalation/keys", body).await, 403, "`summaries:write`");
    // What a key has, it can give.
    let body = json!({"name": "Same", "scopes": ["summaries:read"]});
    assert_eq!(weak.post("/v1/keys", body).await.0, StatusCode::CREATED);
    let own = format!("/v1/keys/{}/rotate", text(&weak_key, "id"));
    assert_eq!(weak.post(&own, json!({"overlap_seconds": 0})).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn what_belongs_to_another_tenant_does_not_exist() {
    let admin = operator().await;
    let (_, theirs) = admin.tenant("neighbour", &SCOPES).await;
    let (client, _) = admin.tenant("curious", &SCOPES).await;
    let path = format!("/v1/keys/{}", text(&theirs, "id"));
    let unknown = client.delete("/v1/keys/key_00000000000000000000").await;
    refused(&unknown, 404, "not-found");
    assert_eq!(client.delete(&path).await, unknown);
    assert_eq!(client.post(&format!("{path}/rotate"), json!({})).await, unknown);
    assert_eq!(client.delete("/v1/keys/no-key").await, unknown);
    // An admin who names the wrong tenant does not find it either.
    let elsewhere = format!("/v1/tenants/curious/keys/{}", text(&theirs, "id"));
    assert_eq!(admin.delete(&elsewhere).await, unknown);
    let listed = client.done(Method::GET, "/v1/keys", None).await;
    assert!(!listed.to_string().contains(&text(&theirs, "id")), "{listed}");
    let log = client.get("/v1/audit?tenant=neighbour").await;
    refused(&log, 403, "`admin`");
    assert_eq!(client.get("/v1/audit?tenant=no-such-tenant").await, log);
    let own = client.done(Method::GET, "/v1/audit", None).await.to_string();
    assert!(!own.contains("neighbour"), "{own}");
}

#[tokio::test]
async fn bad_requests_are_explained() {
    let admin = operator().await;
    let (client, key) = admin.tenant("explained", &SCOPES).await;
    let keys = "/v1/keys";
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "Test", "scopes": ["keys"]});
        body[field] = value;
        body
    };
    for (path, body, says) in [
        ("/v1/tenants", json!({"id": "No", "plan": "free"}), "1 to 40 of the characters"),
        ("/v1/tenants", json!({"id": "a", "plan": "gold"}), "`enterprise`"),
        ("/v1/tenants", json!({"plan": "free"}), "missing field `id`"),
        (
            "/v1/tenants",
            json!({"id": "a", "plan": "free", "limits": {"key": {"per_minute": 0, "burst": 1}}}),
            "#/limits/key/per_minute",
        ),
        ("/v1/tenants", json!({"id": "a", "plan": "free", "limits": {"key": 5}}), "an object"),
        (
            "/v1/tenants",
            json!({"id": "a", "plan": "free", "limits": {"all": {}}}),
            "unknown field `all`",
        ),
        (keys, with("name", json!("")), "1 to 80 characters"),
        (keys, with("name", json!("x".repeat(81))), "#/name"),
        (keys, with("name", json!("a\u{7}")), "#/name"),
        (keys, with("scopes", json!([])), "#/scopes"),
        (keys, with("scopes", json!(["everything"])), "#/scopes/0"),
        (keys, with("expires_at", json!("2020-01-01T00:00:00Z")), "3,650 days"),
        (keys, with("expires_at", json!("tomorrow")), "#/expires_at"),
        (keys, with("expires_at", json!("9999-01-01T00:00:00Z")), "#/expires_at"),
        (keys, with("state", json!("active")), "unknown field `state`"),
    ] {
        refused(&admin.post(path, body).await, 422, says);
    }
    let rotate = format!("/v1/keys/{}/rotate", text(&key, "id"));
    refused(&client.post(&rotate, json!({"overlap_seconds": 604_801})).await, 422, "0 to 604800");
    let empty = admin.send(Method::PATCH, "/v1/tenants/explained", Some(json!({}))).await;
    refused(&empty, 422, "nothing to change");
    refused(
        &admin
            .send(Method::PATCH, "/v1/tenants/explained", Some(json!({"status": "gone"})))
            .await,
        422,
        "`suspended`",
    );
    refused(&client.get("/v1/audit?tenant=No").await, 422, "?tenant");
    for path in ["/v1/tenants?limit=x", "/v1/keys?limit=101", "/v1/audit?cursor=MS5h"] {
        refused(&admin.get(path).await, 422, "?");
    }
    let large = json!({"name": "x".repeat(20_000), "scopes": ["keys"]});
    refused(&client.post(keys, large).await, 413, "16384");
    let plain = client.region.request(Method::POST, keys).bearer_auth(&client.key).body("{}");
    refused(&crate::cloud::answer(plain).await, 415, "application/json");
}

#[tokio::test]
async fn a_key_of_before_works_and_begins_its_tenant() {
    let region = region().await;
    let admin = operator().await;
    let table = &region.outputs["DirectoryTable"];
    let client = admin.with("sk_of_yesterday");
    let id = format!("key#{}", KeyHash::of(&client.key));
    let put = aws_sdk_dynamodb::Client::new(&region.sdk).put_item().table_name(table);
    let put = put
        .item("id", AttributeValue::S(id))
        .item("tenant", AttributeValue::S("yesterday".to_owned()));
    put.item("plan", AttributeValue::S("pro".to_owned())).send().await.unwrap();
    assert_eq!(
        client.post("/v1/summaries", submission("of yesterday")).await.0,
        StatusCode::ACCEPTED
    );
    refused(&client.get("/v1/tenants").await, 403, "`admin`");
    refused(&admin.get("/v1/tenants/yesterday").await, 404, "not-found");
    assert_eq!(client.done(Method::GET, "/v1/keys", None).await, json!({"items": []}));
    let body = json!({"name": "The first with a name", "scopes": ["summaries:read"]});
    assert_eq!(client.post("/v1/keys", body).await.0, StatusCode::CREATED);
    let tenant = admin.done(Method::GET, "/v1/tenants/yesterday", None).await;
    assert_eq!((&tenant["plan"], &tenant["status"]), (&json!("pro"), &json!("active")));
}

/// Each entry is written with its act, so that there are as many entries as keys.
#[tokio::test]
async fn many_acts_at_once_make_fifty_keys_and_no_more() {
    let directory = directory().await;
    let by = Actor {
        tenant: "operator".to_owned().try_into().unwrap(),
        key: KeyHash::of(ADMIN_KEY).id(),
        scopes: Scopes::ALL,
        request_id: "test".to_owned(),
    };
    let tenant = Tenant {
        id: "many-keys".to_owned().try_into().unwrap(),
        plan: Plan::Free,
    };
    directory.create_tenant(&by, &tenant, Overrides::default()).await.unwrap();
    let another = async || {
        let new = NewKey {
            key: fresh_key().unwrap(),
            name: "One of many".to_owned(),
            scopes: Scopes::SUMMARIES,
            expires_at: None,
            limits: None,
        };
        directory.create_key(&by, &tenant.id, None, &new).await
    };
    let made = join_all((0..20).map(|_| another())).await;
    let mut keys = made.iter().filter(|made| made.is_ok()).count();
    assert!(
        keys >= 1 && made.iter().all(|made| matches!(made, Ok(_) | Err(ActError::Conflict(_)))),
        "{made:?}"
    );
    while keys < MOST_KEYS {
        another().await.unwrap();
        keys += 1;
    }
    let refusals = join_all((0..5).map(|_| another())).await;
    assert!(
        refusals
            .iter()
            .all(|made| matches!(made, Err(ActError::Conflict(why)) if why.contains("50 valid keys"))),
        "{refusals:?}"
    );
    let page = directory.keys(&tenant.id, 100, None).await.unwrap();
    assert_eq!((page.items.len(), page.more), (MOST_KEYS, false));
    let entries = directory.audit(&tenant.id, 100, None).await.unwrap();
    assert_eq!(entries.items.len(), MOST_KEYS + 1);
    assert!(
        entries
            .items
            .iter()
            .map(|entry| &entry.id)
            .is_sorted_by(|newer, older| newer > older)
    );
    let revoked = &page.items[0].id;
    directory.revoke_key(&by, &tenant.id, revoked).await.unwrap();
    another().await.unwrap();
    assert_eq!(directory.tenant(&tenant.id).await.unwrap().unwrap().status, Standing::Active);
}

#[tokio::test]
async fn an_operator_uses_the_command_line() {
    let region = region().await;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(SUPERVISOR);
        command.arg("tenant").args(arguments);
        command.env("SUMMAREASE_URL", &region.url).env("SUMMAREASE_ADMIN_KEY", ADMIN_KEY);
        let output = command.output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let works = |arguments: &[&str]| {
        let (success, said, failed) = run(arguments);
        assert!(success, "{arguments:?}: {failed}");
        said
    };
    works(&["create", "by-hand", "--plan", "free"]);
    let (success, _, failed) = run(&["create", "by-hand", "--plan", "free"]);
    assert!(!success && failed.contains("There is a tenant `by-hand` already"), "{failed}");
    let limits = r#"{"key":{"per_minute":5,"burst":5}}"#;
    works(&["set", "by-hand", "--plan", "pro", "--limits", limits]);
    assert!(works(&["show", "by-hand"]).contains("\"per_minute\": 5"));
    assert!(works(&["list"]).contains(r#""id":"by-hand""#));
    let key: Value = serde_json::from_str(&works(&[
        "key", "create", "by-hand", "--name", "First", "--scope", "summaries:read", "--scope", "summaries:write",
    ]))
    .unwrap();
    let rotated: Value = serde_json::from_str(&works(&["key", "rotate", "by-hand", &text(&key, "id"), "--overlap-seconds", "60"])).unwrap();
    works(&["key", "revoke", "by-hand", &text(&rotated, "id")]);
    let left = works(&["key", "list", "by-hand"]);
    assert!(left.contains(&text(&key, "id")) && left.lines().count() == 1, "{left}");
    assert!(works(&["audit", "by-hand"]).lines().next().unwrap().contains("key.revoked"));
}

/// What the API function and the servers have logged.
async fn logged(since: OffsetDateTime) -> String {
    let cloud = cloud().await;
    let group = format!("/summarease/{}/api", addresses::stack_name(REGIONS[0]));
    let since = (since.unix_timestamp() * 1000).to_string();
    let mut command = Command::new(Environment::Tools.bin().join("aws"));
    command.args(["--endpoint-url", &cloud.instance.state().ports.aws_url()]);
    command.args([
        "logs", "filter-log-events", "--output", "text", "--query", "events[].message", "--log-group-name", &group, "--start-time", &since,
    ]);
    let command = deploy::isolated(&mut command, &cloud.instance, REGIONS[0]);
    let mut logs = process::run(command, "read the logs").unwrap();
    for file in fs::read_dir(cloud.instance.dir().join("logs")).unwrap().flatten() {
        logs += &String::from_utf8_lossy(&fs::read(file.path()).unwrap());
    }
    logs
}

#[tokio::test]
async fn no_log_line_holds_a_key_or_a_session() {
    let since = OffsetDateTime::now_utc();
    let (client, _) = operator().await.tenant("logged", &SCOPES).await;
    let made = client
        .done(
            Method::POST,
            "/v1/keys",
            Some(json!({"name": "Secret", "scopes": ["sessions", "summaries:read"]})),
        )
        .await;
    let other = client.with(&text(&made, "key"));
    let session = other.done(Method::POST, "/v1/sessions", Some(json!({}))).await;
    let rotate = format!("/v1/keys/{}/rotate", text(&made, "id"));
    let rotated = client.done(Method::POST, &rotate, Some(json!({}))).await;
    client.with(&text(&session, "token")).get("/v1/summaries/no-job").await;
    client.with("sk_with_an_error").get("/v1/keys").await;
    let secrets = [
        client.key.clone(),
        other.key.clone(),
        text(&rotated, "key"),
        text(&session, "token"),
        "sk_with_an_error".to_owned(),
    ];
    comes_true("the requests are logged", async || logged(since).await.contains(&rotate)).await;
    let logs = logged(since).await;
    for secret in &secrets {
        assert!(!logs.contains(secret.as_str()), "a log line holds {secret}");
    }
    assert!(!logs.contains(KEY), "a log line holds the key of the demo tenant");
}
