//! The service outside of Lambda on this machine, for load runs: PostgreSQL that waits for its disk,
//! Valkey, the AWS of load runs, and `summarease serve` and `work`.

use std::{
    collections::{BTreeMap, HashSet},
    fmt, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use rustix::process::Signal;
use serde::Serialize;
use shared::{
    archive::Archive,
    directory::{Directory, Tenant},
    job::{JobId, Lane, Plan, Scopes, TenantId},
    quota::{Overrides, Rate},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::outcome::Outcome;
use crate::{
    cloud::{
        addresses, bringup,
        instance::{DEFAULT_REGION, Instance, Ports, State, free_port},
        supervisor, tenant,
    },
    tools::python::Environment,
};

/// The longest wait for the programs to answer. They need a second, but the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);
/// The arguments of the worker.
const WORK: [&str; 3] = ["work", "--lane", "express,standard,bulk"];
/// How many tenants submit jobs.
const TENANTS: usize = 10;

/// The running service.
pub struct System {
    pub url: String,
    pub keys: Vec<String>,
    pub database_url: String,
    pub(super) valkey_url: String,
    pub(super) aws_url: String,
    sdk: SdkConfig,
    queues: Vec<String>,
    summarease: PathBuf,
    env: Vec<(String, String)>,
    logs: PathBuf,
    serve: Mutex<Child>,
    work: Mutex<Child>,
    programs: Mutex<BTreeMap<u32, String>>,
    supervisor: Child,
}

/// How a service is started for load runs.
pub struct Settings<'a> {
    /// A folder, which is emptied.
    pub dir: &'a Path,
    /// The program whose `supervise` command owns the servers.
    pub supervisor: &'a Path,
    /// The program of the service.
    pub summarease: &'a Path,
    /// How long a received message is invisible, in seconds.
    pub visibility: u16,
}

/// What the stores say after a run.
#[derive(Serialize)]
pub struct Audit {
    /// Different jobs that were accepted.
    accepted: usize,
    /// Rows of the archive that have one of these ids and a final status.
    archived: usize,
    /// Rows with other ids.
    unknown: i64,
    /// Jobs that the usage of the tenants counts: accepted, and ended.
    counted: (i64, i64),
    /// Messages that are left in the lanes.
    left: usize,
}

impl Audit {
    /// Whether every accepted job has ended once.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<()> {
        let all = i64::try_from(self.accepted)?;
        let is_whole = self.archived == self.accepted && self.unknown == 0 && self.counted == (all, all) && self.left == 0;
        ensure!(is_whole, "the stores do not agree: {self}");
        Ok(())
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs were accepted; the archive has {} of them with an end, and {} others; the usage counts {} accepted and {} ended; {} messages are left",
            self.accepted, self.archived, self.unknown, self.counted.0, self.counted.1, self.left
        )
    }
}

impl System {
    /// Starts everything.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start(settings: &Settings<'_>) -> Result<Self> {
        Environment::Cloud.install()?;
        let instance = Instance::at(settings.dir);
        supervisor::stop_leftovers(&instance);
        instance.remove()?;
        let regions = [DEFAULT_REGION.to_owned()];
        let ports = Ports {
            dynamodb: Some(0),
            ..Ports::default()
        };
        let ports = ports.free(&regions)?;
        instance.remember(&State {
            ports: ports.clone(),
            ..State::default()
        })?;
        let supervisor = supervisor::start(settings.supervisor, &instance, true)?;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = bringup::prepare(&instance, &regions).await {
            ensure!(
                Instant::now() < deadline,
                "the servers do not answer: {error:#}; see {}",
                instance.dir().join("logs").display()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let sdk = addresses::sdk(&instance, DEFAULT_REGION);
        let queues = make_queues(&sdk, settings.visibility).await?;
        let mut tables = sdk.to_builder();
        tables.set_endpoint_url(ports.dynamodb_url());
        let tables = tables.build();
        make_tables(&tables).await?;
        let database_url = addresses::database_url(&instance, DEFAULT_REGION);
        let archive = Archive::connect(PgConnectOptions::from_str(&database_url)?, None);
        archive.migrate().await?;
        archive.keep_partitions(OffsetDateTime::now_utc()).await?;
        let mut database = PgConnection::connect(&database_url).await?;
        sqlx::query("CREATE EXTENSION pg_stat_statements").execute(&mut database).await?;
        let keys = register(&tables).await?;
        let listen = format!("127.0.0.1:{}", free_port(0)?);
        let env = environment(&instance, &database_url, &queues);
        let logs = instance.dir().join("logs");
        let serve = start(settings.summarease, &env, &logs, &["serve", "--listen", &listen])?;
        let work = start(settings.summarease, &env, &logs, &WORK)?;
        let ids: Vec<u32> = serde_json::from_str(&fs::read_to_string(instance.dir().join("pids.json"))?)?;
        let names = ["postgres", "valkey", "plane"].map(str::to_owned);
        let mut programs: BTreeMap<u32, String> = ids.into_iter().zip(names).collect();
        programs.insert(serve.id(), "serve".to_owned());
        programs.insert(work.id(), "work".to_owned());
        let system = Self {
            url: format!("http://{listen}"),
            keys,
            database_url,
            valkey_url: addresses::valkey_url(&instance, DEFAULT_REGION),
            aws_url: ports.aws_url(),
            sdk,
            queues: queues.into_values().collect(),
            summarease: settings.summarease.to_owned(),
            env,
            logs,
            serve: Mutex::new(serve),
            work: Mutex::new(work),
            programs: Mutex::new(programs),
            supervisor,
        };
        while reqwest::get(format!("{}/v1/health", system.url)).await.is_err() {
            ensure!(
                Instant::now() < deadline,
                "the API does not answer; see {}",
                instance.log("serve").display()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(system)
    }

    /// The names of the programs by their process ids.
    pub(super) fn programs(&self) -> BTreeMap<u32, String> {
        locked(&self.programs).clone()
    }

    /// Reads what the stores say of the jobs.
    pub(super) async fn audit(&self, outcomes: &[Outcome]) -> Result<Audit> {
        let ids: HashSet<&str> = outcomes.iter().filter_map(|outcome| outcome.id.as_deref()).collect();
        let uuids = ids.iter().map(|id| Ok(id.parse::<JobId>()?.uuid())).collect::<Result<Vec<_>>>()?;
        let mut database = PgConnection::connect(&self.database_url).await?;
        let ended = "SELECT count(*) FROM summaries WHERE id = ANY($1) AND status IN ('succeeded', 'failed', 'canceled')";
        let archived: i64 = sqlx::query_scalar(ended).bind(&uuids).fetch_one(&mut database).await?;
        let unknown: i64 = sqlx::query_scalar("SELECT count(*) FROM summaries WHERE id <> ALL($1)")
            .bind(&uuids)
            .fetch_one(&mut database)
            .await?;
        let counted =
            "SELECT coalesce(sum(accepted), 0)::bigint, coalesce(sum(succeeded + failed + canceled), 0)::bigint FROM usage_by_key";
        let counted = sqlx::query_as(counted).fetch_one(&mut database).await?;
        let deadline = Instant::now() + PATIENCE;
        // A worker deletes the messages of a batch after it has recorded the jobs.
        let mut left = self.left().await?;
        while left > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
            left = self.left().await?;
        }
        Ok(Audit {
            accepted: ids.len(),
            archived: usize::try_from(archived)?,
            unknown,
            counted,
            left,
        })
    }

    /// How many messages the lanes have.
    async fn left(&self) -> Result<usize> {
        let sqs = aws_sdk_sqs::Client::new(&self.sdk);
        let mut left = 0;
        for queue in &self.queues {
            let counts = sqs
                .get_queue_attributes()
                .queue_url(queue)
                .attribute_names(QueueAttributeName::All)
                .send()
                .await?;
            let counts = counts.attributes.unwrap_or_default();
            for name in [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            ] {
                left += counts.get(&name).context("a queue has no count")?.parse::<usize>()?;
            }
        }
        Ok(left)
    }

    /// Sends a signal to the worker, waits until it has ended, and starts another one. Returns how it has
    /// ended.
    ///
    /// # Errors
    /// If it cannot be told, or no other one starts.
    pub async fn replace_worker(&self, signal: Signal) -> Result<ExitStatus> {
        let work = start(&self.summarease, &self.env, &self.logs, &WORK)?;
        locked(&self.programs).insert(work.id(), "work".to_owned());
        let old = std::mem::replace(&mut *locked(&self.work), work);
        ended(old, signal).await
    }

    /// Sends a signal to the API, and waits until it has ended. Returns how.
    ///
    /// # Errors
    /// If it cannot be told.
    pub async fn stop_serving(self, signal: Signal) -> Result<ExitStatus> {
        let other = Command::new("true").spawn()?;
        let serve = std::mem::replace(&mut *locked(&self.serve), other);
        ended(serve, signal).await
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for System {
    fn drop(&mut self) {
        for child in [&self.serve, &self.work] {
            let mut child = locked(child);
            let _ = child.kill();
            let _ = child.wait();
        }
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Starts a part of the service. Its log is added to that of the last one.
fn start(summarease: &Path, env: &[(String, String)], logs: &Path, arguments: &[&str]) -> Result<Child> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(logs.join(arguments[0]).with_extension("log"))?;
    let mut command = Command::new(summarease);
    command.args(arguments).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("cannot start {}", summarease.display()))
}

async fn ended(mut child: Child, signal: Signal) -> Result<ExitStatus> {
    supervisor::tell(child.id(), signal)?;
    Ok(tokio::task::spawn_blocking(move || child.wait()).await??)
}

/// The environment variables of the service.
fn environment(instance: &Instance, database_url: &str, queues: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut env = addresses::client_env(instance, DEFAULT_REGION);
    env.extend(queues.iter().map(|(name, url)| (name.clone(), url.clone())));
    let others = [
        ("DIRECTORY_TABLE", "directory"),
        ("LEDGER_TABLE", "ledger"),
        ("DOCUMENTS_BUCKET", "documents"),
        ("DATABASE_URL", database_url),
        ("DATABASE_CONNECTIONS", "4"),
        ("VALKEY_URL", &addresses::valkey_url(instance, DEFAULT_REGION)),
        ("LOG_LEVEL", "warn"),
    ];
    env.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}

/// Makes the queues of the lanes, with the settings of the template. Returns their addresses by the names
/// of their environment variables.
async fn make_queues(sdk: &SdkConfig, visibility: u16) -> Result<BTreeMap<String, String>> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let mut queues = BTreeMap::new();
    for lane in Lane::ALL {
        let letters = sqs.create_queue().queue_name(format!("{lane}-dead")).send().await?;
        let letters = letters.queue_url.context("a queue has no address")?;
        let arn = sqs
            .get_queue_attributes()
            .queue_url(&letters)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await?;
        let arn = arn
            .attributes
            .unwrap_or_default()
            .remove(&QueueAttributeName::QueueArn)
            .context("a queue has no ARN")?;
        let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": 20}).to_string();
        let queue = sqs
            .create_queue()
            .queue_name(lane.as_str())
            .attributes(QueueAttributeName::VisibilityTimeout, visibility.to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive);
        let queue = queue.send().await?.queue_url.context("a queue has no address")?;
        queues.insert(shared::lanes::URLS[lane].to_owned(), queue);
    }
    Ok(queues)
}

/// Makes the tables `directory` and `ledger`, with the keys and indexes of the template.
///
/// # Errors
/// If DynamoDB does not make them.
pub async fn make_tables(sdk: &SdkConfig) -> Result<()> {
    make_table(sdk, "directory", "listed", ["listed_under", "id"]).await?;
    make_ledger(sdk, "ledger").await
}

/// Makes a table like that of the ledger.
///
/// # Errors
/// If DynamoDB does not make it.
pub async fn make_ledger(sdk: &SdkConfig, table: &str) -> Result<()> {
    make_table(sdk, table, "unfinished", ["unfinished_of", "submission"]).await
}

/// Makes a table whose key is `id`, with one index.
async fn make_table(sdk: &SdkConfig, table: &str, index: &str, keys: [&str; 2]) -> Result<()> {
    let mut names = vec!["id", keys[0], keys[1]];
    names.sort_unstable();
    names.dedup();
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
    };
    let attributes = names.into_iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = GlobalSecondaryIndex::builder()
        .index_name(index)
        .key_schema(key(keys[0], KeyType::Hash)?)
        .key_schema(key(keys[1], KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    aws_sdk_dynamodb::Client::new(sdk)
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes))
        .key_schema(key("id", KeyType::Hash)?)
        .global_secondary_indexes(index.build()?)
        .send()
        .await?;
    Ok(())
}

/// Registers the tenants, with rates that are never reached, and returns their keys.
async fn register(sdk: &SdkConfig) -> Result<Vec<String>> {
    let directory = Directory::new(sdk, "directory".to_owned());
    let rate = Some(Rate::new(1_000_000, 1_000_000)?);
    let overrides = Overrides {
        key: rate,
        tenant: rate,
        deferred: rate,
    };
    let mut keys = Vec::new();
    for number in 0..TENANTS {
        let tenant = Tenant {
            id: TenantId::try_from(format!("load-{number}"))?,
            plan: Plan::Enterprise,
        };
        let key = format!("sk_load_{number}");
        tenant::enter(&directory, &tenant, overrides, &key, Scopes::BEFORE).await?;
        keys.push(key);
    }
    Ok(keys)
}

/// The folder of load runs.
pub fn folder() -> PathBuf {
    crate::checkout::local().join("load")
}
