//! The commands of the runbooks, run as they are written, by the AWS CLI on the local cloud.

use std::{fs, process::Command, str::FromStr};

use local::{
    checkout::workspace,
    cloud::{addresses, deploy, tenant},
    tools::{process, python::Environment},
};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use shared::{
    archive::Archive,
    directory::{Directory, Tenant},
    job::{KeyHash, Plan},
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use time::{Duration, OffsetDateTime};

use crate::{
    capacity,
    cloud::{Cloud, REGIONS, SUPERVISOR, answer, cloud, submission},
};

/// A function in place of the AWS CLI. The stacks of the local cloud have other names than those in
/// the runbooks, and the CLI here is version 1: it needs no format for payloads, and has to be told
/// the endpoint. `cargo local` is built already.
const AWS: &str = r#"
aws() {
  local region=$AWS_REGION given=("$@") taken=() stack i
  for ((i = 0; i + 1 < $#; i++)); do [[ ${given[i]} != --region ]] || region=${given[i + 1]}; done
  stack=$(stack "$region")
  for ((i = 0; i < $#; i++)); do
    case ${given[i]} in
      --cli-binary-format) i=$((i + 1)) ;;
      "$stack"*) taken+=("${given[i]}") ;;
      /summarease/summarease/*) taken+=("/summarease/$stack/${given[i]##*/}") ;;
      summarease | summarease-*) taken+=("$stack${given[i]#summarease}") ;;
      *) taken+=("${given[i]}") ;;
    esac
  done
  command aws --endpoint-url "$AWS_ENDPOINT_URL" "${taken[@]}"
}
cargo() { "$LOCAL" "${@:2}"; }
"#;

/// A runbook, and the stacks for which it is followed.
pub(crate) struct Runbook<'a> {
    cloud: &'a Cloud,
    /// Regions and the names of their stacks. Commands that name no region are for the first one.
    stacks: &'a [(&'a str, &'a str)],
    blocks: Vec<String>,
}

impl<'a> Runbook<'a> {
    pub(crate) fn open(cloud: &'a Cloud, name: &str, stacks: &'a [(&'a str, &'a str)]) -> Self {
        let text = fs::read_to_string(workspace().join("infra/runbooks").join(name)).unwrap();
        let mut blocks: Vec<String> = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            match line.trim_start() {
                "```sh" => {
                    blocks.push(String::new());
                    inside = true;
                }
                "```" => inside = false,
                command if inside => blocks.last_mut().unwrap().extend([command, "\n"]),
                _ => {}
            }
        }
        Self { cloud, stacks, blocks }
    }

    /// Follows the steps that contain these words, one after the other. `filled` replaces the lines
    /// that an operator fills in. Returns what the commands print.
    pub(crate) fn follow(&self, steps: &[&str], filled: &[(&str, &str)]) -> String {
        let cases = self.stacks.iter().map(|(region, name)| format!("{region}) echo {name} ;;"));
        let cases: Vec<String> = cases.collect();
        let mut script = format!("set -euo pipefail\nstack() {{ case $1 in {} esac; }}\n{AWS}", cases.join(" "));
        for step in steps {
            let mut found = self.blocks.iter().filter(|block| block.contains(step));
            script += found.next().unwrap_or_else(|| panic!("no step holds {step}"));
            assert!(found.next().is_none(), "several steps hold {step}");
        }
        for (line, instead) in filled {
            assert!(script.contains(line), "there is no {line} in\n{script}");
            script = script.replace(line, instead);
        }
        Environment::Tools.install().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        let command = deploy::isolated(&mut command, &self.cloud.instance, self.stacks[0].0);
        command.env("LOCAL", SUPERVISOR);
        command.env("PATH", format!("{}:{path}", Environment::Tools.bin().display()));
        process::run(command, "follow the runbook").unwrap()
    }
}

#[tokio::test]
async fn the_first_admin_makes_a_tenant_and_its_keys() {
    let cloud = cloud().await;
    let stack = addresses::stack_name(REGIONS[0]);
    let stacks = [(REGIONS[0], stack.as_str())];
    let runbook = Runbook::open(cloud, "rotate-keys.md", &stacks);
    let region = cloud.region(REGIONS[0]);
    // The local cloud has other host names, and it has an operator already.
    let first = [
        ("SUMMAREASE_URL=$(", "SUMMAREASE_URL=$(: "),
        (
            "--output text)\ncargo local tenant create operator --plan pro",
            &format!("--output text; echo {})", region.url),
        ),
    ];
    let said = runbook.follow(&["KEY=sk_", "SUMMAREASE_ADMIN_KEY="], &first);
    let admin: Value = serde_json::from_str(&said).unwrap();
    let admin = admin["key"].as_str().unwrap();
    assert_eq!(
        answer(region.request(Method::GET, "/v1/tenants").bearer_auth(admin)).await.0,
        StatusCode::OK
    );

    let signed_in = format!("export SUMMAREASE_URL={} SUMMAREASE_ADMIN_KEY={admin}\nTENANT=runbook", region.url);
    let said = runbook.follow(&["TENANT=acme"], &[("TENANT=acme", &signed_in)]);
    let key: Value = serde_json::from_str(said.split_inclusive("\n}\n").nth(1).unwrap()).unwrap();
    let id = format!("OLD_KEY={}", key["id"].as_str().unwrap());
    let said = runbook.follow(
        &["TENANT=acme", "OLD_KEY=", "LOST_KEY=", "tenant audit"],
        &[
            ("TENANT=acme\ncargo local tenant create $TENANT --plan pro", &signed_in),
            ("OLD_KEY=key_…", &id),
            ("LOST_KEY=key_…", &id.replace("OLD_KEY", "LOST_KEY")),
        ],
    );
    assert!(said.contains("key.revoked") && said.contains("key.rotated"), "{said}");

    let old = "sk_of_a_runbook";
    let tenant = Tenant {
        id: "runbook".to_owned().try_into().unwrap(),
        plan: Plan::Pro,
    };
    let directory = Directory::new(&region.sdk, region.outputs["DirectoryTable"].clone());
    directory.register(&old.into(), &tenant, None).await.unwrap();
    let hash = KeyHash::of(old);
    let named = format!("DIRECTORY_TABLE={} OLD_ID=\"key#{hash}\"", region.outputs["DirectoryTable"]);
    runbook.follow(&["OLD_ID="], &[("OLD_ID=\"key#…\"", &named)]);
    assert_eq!(directory.holder_of(hash).await.unwrap(), None);
}

#[tokio::test]
async fn capacity_is_changed_by_hand() {
    let (region, _turn) = capacity::stack().await;
    let stacks = [(REGIONS[1], capacity::STACK)];
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let reserved = async |function: &str| {
        let name = &region.outputs[function];
        let answer = lambda.get_function_concurrency().function_name(name).send().await.unwrap();
        answer.reserved_concurrent_executions()
    };

    let capacity = Runbook::open(cloud().await, "capacity.md", &stacks);
    let said = capacity.follow(
        &["PRESCALE=", "\"dry_run\":true"],
        &[("2026-12-24T17:00:00Z", "2030-06-01T12:00:00Z")],
    );
    assert!(said.contains(r#""dry_run": true"#) && said.contains("calendar: launch"), "{said}");
    let said = capacity.follow(&["PRESCALE=", "unpin"], &[]);
    assert!(said.contains(r#""level": 3"#) && said.contains(r#""level": 0"#), "{said}");
    capacity.follow(&["PRESCALE=", "UUID="], &[]);
    assert_eq!((region.workers("Standard").await, reserved("PrescaleFunction").await), (8, Some(1)));

    let late = Runbook::open(cloud().await, "late-lane.md", &stacks);
    late.follow(&["WORKER=", "MAPPING=", "projection-expression"], &[]);
    assert_eq!(
        (region.workers("Standard").await, reserved("SummarizeStandardFunction").await),
        (32, Some(36))
    );

    let report = region.plan().await;
    assert_eq!(region.workers("Standard").await, 2, "the plan has it again: {report}");
    for function in ["SummarizeStandardFunction", "PrescaleFunction"] {
        let undo = lambda.delete_function_concurrency().function_name(&region.outputs[function]);
        undo.send().await.unwrap();
    }
}

#[tokio::test]
async fn dead_letters_and_deleted_documents_are_found() {
    let cloud = cloud().await;
    let region = cloud.region(REGIONS[0]);
    let stack = addresses::stack_name(REGIONS[0]);
    let stacks = [(REGIONS[0], stack.as_str())];
    let job = region.accepted(&submission("asked about at night")).await;
    region.succeeds(&job).await;
    let named = format!("JOB={job}");
    Runbook::open(cloud, "read-the-dashboard.md", &stacks).follow(&["describe-alarms"], &[]);

    // A letter that names no job, as `redrive` parks it.
    let (letter, s3) = ("00000000-0000-4000-8000-0000000000aa", aws_sdk_s3::Client::new(&region.sdk));
    let key = format!("dead-letters/bulk/{letter}");
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"not a message");
    let put = s3.put_object().bucket(&region.outputs["DocumentsBucket"]).key(&key).body(body);
    put.send().await.unwrap();
    let insert = "INSERT INTO dead_letters (message_id, lane, region, reason, receives, body_key, parked_at)
        VALUES ($1, 'bulk', 'us-east-1', 'asked_at_night', 20, $2, now() - interval '1 hour')";
    let mut database = region.database().await;
    sqlx::query(insert).bind(letter).bind(&key).execute(&mut database).await.unwrap();

    let dead = Runbook::open(cloud, "replay-dead-letters.md", &stacks);
    // The local cloud has other host names.
    let begun = format!("URL={} SUMMAREASE_ADMIN_KEY={}", region.url, tenant::ADMIN_KEY);
    let begun = ("URL=$(out ApiUrl) SUMMAREASE_ADMIN_KEY=sk_…", begun.as_str());
    let named_letter = format!("LETTER={letter}");
    let chosen = ("LETTER=…", named_letter.as_str());
    let said = dead.follow(&["SUMMAREASE_URL=$(", "filter-log-events", "RedriveFunction"], &[begun, chosen]);
    assert!(
        said.contains(&format!("\"id\": \"{letter}\"")) && said.contains("\"standard\":"),
        "{said}"
    );
    let said = dead.follow(
        &["SUMMAREASE_URL=$(", "--parked-from", "--status replayed"],
        &[begun, ("--reason retries_exhausted", "--reason asked_at_night")],
    );
    assert!(
        said.contains("There is nothing to replay"),
        "a letter without a job is left out: {said}"
    );
    let only = ("--reason unreadable_message", "--reason asked_at_night");
    let said = dead.follow(&["SUMMAREASE_URL=$(", "aws s3 cp", "purge --reason"], &[begun, chosen, only]);
    assert!(said.contains("not a message"), "{said}");
    let (_, selection) = said.rsplit_once("confirm ").unwrap();
    let selection = format!("SELECTION={}", selection.trim());
    let said = dead.follow(&["SUMMAREASE_URL=$(", "SELECTION="], &[begun, ("SELECTION=…", &selection)]);
    assert!(said.contains("\"count\": 1") && said.contains("Purged 1 letter."), "{said}");

    let (bucket, document) = (&region.outputs["DocumentsBucket"], format!("documents/demo/{job}"));
    let text = aws_sdk_s3::primitives::ByteStream::from_static(b"It rained.");
    s3.put_object().bucket(bucket).key(&document).body(text).send().await.unwrap();
    s3.delete_object().bucket(bucket).key(&document).send().await.unwrap();
    let read = async || s3.get_object().bucket(bucket).key(&document).send().await;
    assert!(read().await.is_err());
    let restore = Runbook::open(cloud, "restore.md", &stacks);
    restore.follow(
        &["BUCKET=", "DELETE_MARKER="],
        &[("TENANT=acme JOB=sum_use1_…", &format!("TENANT=demo {named}"))],
    );
    let restored = read().await.unwrap().body.collect().await.unwrap().to_vec();
    assert_eq!(restored, b"It rained.");
    s3.delete_object().bucket(bucket).key(&document).send().await.unwrap();
}

/// A database as `maintain` keeps it, from some days ago until now.
async fn database(server: &mut PgConnection, url: &str, name: &str, days: i64) -> (String, PgConnection) {
    server
        .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    let url = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    let archive = Archive::connect(PgConnectOptions::from_str(&url).unwrap(), None);
    archive.migrate().await.unwrap();
    for age in [days, 0] {
        let now = OffsetDateTime::now_utc() - Duration::days(age);
        archive.keep_partitions(now).await.unwrap();
    }
    let connection = PgConnection::connect(&url).await.unwrap();
    (url, connection)
}

/// A finished job of some days ago.
fn finished(days: i64) -> String {
    let at = OffsetDateTime::now_utc() - Duration::days(days);
    let id = format!("{:012x}70008000000000000001", at.unix_timestamp() * 1000);
    format!(
        "INSERT INTO summaries VALUES ('{id}', 'acme', 'us-east-1', 'succeeded', 'standard', now(), now(), now(), now(), '{{}}', '{{}}', NULL, '[]')"
    )
}

/// The databases stand in for RDS and Aurora.
#[tokio::test]
async fn rows_move_to_the_database_of_another_phase() {
    let cloud = cloud().await;
    let url = addresses::database_url(&cloud.instance, REGIONS[0]);
    let mut server = PgConnection::connect(&url).await.unwrap();
    let programs: String = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        .fetch_one(&mut server)
        .await
        .unwrap();
    let (from, mut old) = database(&mut server, &url, "phase_before", 35).await;
    let (to, mut new) = database(&mut server, &url, "phase_after", 0).await;
    for days in [35, 1] {
        old.execute(sqlx::AssertSqlSafe(finished(days))).await.unwrap();
    }
    new.execute(sqlx::AssertSqlSafe(finished(1).replace("'acme'", "'other'")))
        .await
        .unwrap();
    old.execute("INSERT INTO usage_daily VALUES ('acme', current_date, 3, 1, 100), ('acme', current_date - 1, 1, 1, 1)")
        .await
        .unwrap();
    new.execute("INSERT INTO usage_daily VALUES ('acme', current_date, 2, 0, 50)")
        .await
        .unwrap();
    old.execute("INSERT INTO dead_letters VALUES ('m', 'bulk', NULL, 'acme', 'broken', 5, 'k', now())")
        .await
        .unwrap();

    let stack = addresses::stack_name(REGIONS[0]);
    let stacks = [(REGIONS[0], stack.as_str())];
    let runbook = Runbook::open(cloud, "change-phase.md", &stacks);
    let first = "on \"$OLD\" pg_dump --schema-only";
    let local = format!("cd \"$(mktemp -d)\"; PATH={programs}:$PATH OLD={from} NEW={to}; on() {{ \"${{@:2}}\" \"$1\"; }}\n{first}");
    runbook.follow(&["partitions.sql"], &[(first, &local)]);

    let jobs: Vec<(String, bool)> = sqlx::query_as("SELECT tenant, tableoid = 'summaries_default'::regclass FROM summaries ORDER BY id")
        .fetch_all(&mut new)
        .await
        .unwrap();
    assert_eq!(
        jobs,
        [("acme".to_owned(), false), ("other".to_owned(), false)],
        "what is there stays"
    );
    let usage: Vec<(i64, i64, i64)> = sqlx::query_as("SELECT succeeded, failed, input_characters FROM usage_daily ORDER BY day")
        .fetch_all(&mut new)
        .await
        .unwrap();
    assert_eq!(usage, [(1, 1, 1), (5, 1, 150)]);
    let letters: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters")
        .fetch_one(&mut new)
        .await
        .unwrap();
    assert_eq!(letters, 1);
}
