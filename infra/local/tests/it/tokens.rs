//! Tokens that live for seconds, under load, against a Postgres and a Valkey that really let them expire.

use std::{
    fs,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use shared::{archive::Archive, cache::Cache, tokens::Tokens};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::time::Instant;

use crate::cloud::{cloud, region};

const LIFETIME: Duration = Duration::from_secs(2);
const LOAD: Duration = Duration::from_secs(7);
const ENVIRONMENTS: usize = 6;

fn secret() -> SecretString {
    SecretString::from(uuid::Uuid::new_v4().to_string())
}

/// Keeps asking until the load is over; returns how often.
async fn load<F: Future<Output = ()>>(ask: impl Fn() -> F) -> usize {
    let (begun, mut asked) = (Instant::now(), 0);
    while begun.elapsed() < LOAD {
        ask().await;
        asked += 1;
    }
    asked
}

#[tokio::test]
async fn postgres_sees_no_request_fail_while_tokens_expire() {
    let region = region().await;
    let mut owner = region.database().await;
    let (path,): (String,) = sqlx::query_as("SHOW hba_file").fetch_one(&mut owner).await.unwrap();
    let trusting = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("host all /^expiring 127.0.0.1/32 scram-sha-256\n{trusting}")).unwrap();
    owner.execute("SELECT pg_reload_conf()").await.unwrap();
    let issued = Arc::new(AtomicUsize::new(0));
    let environments = (0..ENVIRONMENTS).map(|number| {
        let (database, issued) = (region.database.clone(), Arc::clone(&issued));
        async move {
            let user = format!("expiring{number}");
            let mut owner = PgConnection::connect(&database).await.unwrap();
            owner
                .execute(sqlx::AssertSqlSafe(format!("DROP ROLE IF EXISTS {user}; CREATE ROLE {user} LOGIN")))
                .await
                .unwrap();
            let options = PgConnectOptions::from_str(&database).unwrap().username(&user);
            let tokens = Tokens::new(&user.clone(), LIFETIME, move || {
                issued.fetch_add(1, Ordering::SeqCst);
                let (database, user, token) = (database.clone(), user.clone(), secret());
                Box::pin(async move {
                    let mut owner = PgConnection::connect(&database).await?;
                    let seconds = LIFETIME.as_secs();
                    let statement = format!(
                        "DO $$ BEGIN EXECUTE format('ALTER ROLE {user} PASSWORD %L VALID UNTIL %L', '{}', clock_timestamp() + interval '{seconds} s'); END $$",
                        token.expose_secret()
                    );
                    owner.execute(sqlx::AssertSqlSafe(statement)).await?;
                    Ok(token)
                })
            });
            let first = tokens.current().await.unwrap();
            // A new archive is a new environment: it connects anew.
            let asked = load(|| async {
                Archive::connect(options.clone(), Some(tokens.clone())).ping().await.expect("no request fails");
            })
            .await;
            let late = PgConnection::connect_with(&options.password(first.expose_secret())).await;
            assert!(late.is_err(), "an expired token opens no connection");
            asked
        }
    });
    let asked: usize = futures::future::join_all(environments).await.into_iter().sum();
    fs::write(&path, trusting).unwrap();
    owner.execute("SELECT pg_reload_conf()").await.unwrap();
    let issued = issued.load(Ordering::SeqCst);
    assert!(
        issued >= 3 * ENVIRONMENTS && asked > 2 * issued,
        "{issued} tokens for {asked} requests"
    );
}

#[tokio::test]
async fn valkey_sees_no_request_fail_while_tokens_expire() {
    const USER: &str = "expiring";
    let url = local::cloud::addresses::valkey_url(&cloud().await.instance, "us-east-1");
    let owner = redis::Client::open(url.as_str())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let issued = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&issued);
    let acl = owner.clone();
    let tokens = Tokens::new(USER, LIFETIME, move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let (mut acl, token) = (acl.clone(), secret());
        Box::pin(async move {
            let set = |rule: String| redis::cmd("ACL").arg(&["SETUSER", USER, "on", "~*", "+@all", &rule]).clone();
            let () = set(format!(">{}", token.expose_secret())).query_async(&mut acl).await?;
            let expire = set(format!("<{}", token.expose_secret()));
            tokio::spawn(async move {
                tokio::time::sleep(LIFETIME).await;
                let _: Result<(), _> = expire.query_async(&mut acl).await;
            });
            Ok(token)
        })
    });
    let first = tokens.current().await.unwrap();
    let lasting = Cache::connect(&url, Some(tokens.clone())).unwrap();
    let environments = (0..ENVIRONMENTS).map(|_| {
        load(|| async {
            lasting.ping().await.expect("no request fails on a lasting connection");
            let fresh = Cache::connect(&url, Some(tokens.clone())).unwrap();
            fresh.ping().await.expect("no request fails on a new connection");
        })
    });
    let asked: usize = futures::future::join_all(environments).await.into_iter().sum();
    let late = redis::cmd("AUTH")
        .arg(USER)
        .arg(first.expose_secret())
        .query_async::<()>(&mut owner.clone())
        .await;
    assert!(late.is_err(), "an expired token opens no connection");
    let issued = issued.load(Ordering::SeqCst);
    assert!(issued >= 3 && asked > 2 * issued, "{issued} tokens for {asked} requests");
}
