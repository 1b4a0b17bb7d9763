//! Tokens that expire after some seconds, used all the time, with a PostgreSQL and a Valkey that
//! refuse expired ones.

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

use crate::cloud::{PATIENCE, cloud, comes_true, region};

/// The lifetime of a token. It is given out as long as a third of that is left. On a busy machine a
/// connection can take seconds, and it must not take longer than that third.
const LIFETIME: Duration = Duration::from_secs(15);
/// The number of tokens that an environment sees. The first one expires before the third one is
/// issued.
const TOKENS: usize = 3;
const ENVIRONMENTS: usize = 6;

fn secret() -> SecretString {
    SecretString::from(uuid::Uuid::new_v4().to_string())
}

/// Keeps asking until enough tokens were issued and most requests used one that was there already.
/// If each request had a token of its own, this would never come true.
async fn load<F: Future<Output = ()>>(issued: &AtomicUsize, ask: impl Fn() -> F) {
    let (deadline, mut asked) = (Instant::now() + PATIENCE, 0);
    loop {
        ask().await;
        asked += 1;
        let tokens = issued.load(Ordering::SeqCst);
        if tokens >= TOKENS && asked > 2 * tokens {
            return;
        }
        assert!(Instant::now() < deadline, "{tokens} tokens for {asked} requests");
    }
}

#[tokio::test]
async fn postgres_sees_no_request_fail_while_tokens_expire() {
    let region = region().await;
    let mut owner = region.database().await;
    let (path,): (String,) = sqlx::query_as("SHOW hba_file").fetch_one(&mut owner).await.unwrap();
    let trusting = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("host all /^expiring 127.0.0.1/32 scram-sha-256\n{trusting}")).unwrap();
    owner.execute("SELECT pg_reload_conf()").await.unwrap();
    let environments = (0..ENVIRONMENTS).map(|number| {
        let database = region.database.clone();
        async move {
            let user = format!("expiring{number}");
            let mut owner = PgConnection::connect(&database).await.unwrap();
            owner
                .execute(sqlx::AssertSqlSafe(format!("DROP ROLE IF EXISTS {user}; CREATE ROLE {user} LOGIN")))
                .await
                .unwrap();
            let options = PgConnectOptions::from_str(&database).unwrap().username(&user);
            let issued = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&issued);
            let tokens = Tokens::new(&user.clone(), LIFETIME, move || {
                counter.fetch_add(1, Ordering::SeqCst);
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
            // A new archive opens a new connection, as a new environment does.
            load(&issued, || async {
                Archive::connect(options.clone(), Some(tokens.clone())).ping().await.expect("no request fails");
            })
            .await;
            let late = options.password(first.expose_secret());
            comes_true("an expired token opens no connection", async || {
                PgConnection::connect_with(&late).await.is_err()
            })
            .await;
        }
    });
    futures::future::join_all(environments).await;
    fs::write(&path, trusting).unwrap();
    owner.execute("SELECT pg_reload_conf()").await.unwrap();
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
        load(&issued, || async {
            lasting.ping().await.expect("no request fails on a lasting connection");
            let fresh = Cache::connect(&url, Some(tokens.clone())).unwrap();
            fresh.ping().await.expect("no request fails on a new connection");
        })
    });
    futures::future::join_all(environments).await;
    let late = redis::cmd("AUTH").arg(USER).arg(first.expose_secret()).clone();
    let anyone = redis::Client::open(url.as_str()).unwrap();
    comes_true("an expired token opens no connection", async || {
        let mut connection = anyone.get_multiplexed_async_connection().await.unwrap();
        late.query_async::<()>(&mut connection).await.is_err()
    })
    .await;
}
