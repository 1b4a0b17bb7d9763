//! The deployed function `prescale` changes capacity and service level of a stack of its own.

use std::{collections::BTreeMap, fs, process::Stdio};

use aws_config::SdkConfig;
use aws_sdk_lambda::types::{Environment, EventSourceMappingConfiguration, ScalingConfig};
use jiff::{SignedDuration, Timestamp};
use local::{
    checkout::workspace,
    cloud::{
        addresses,
        deploy::{self, deploy_stack, outputs},
        tenant,
    },
    tools::python::Environment as Python,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{
    capacity::{Level, Pin},
    service_level::ServiceLevel,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, MutexGuard, OnceCell},
};

use crate::cloud::{REGIONS, Region, cloud, comes_true, prose};

pub(crate) const STACK: &str = "capacity";
/// A capacity plan with simple numbers. A standard job takes a worker six seconds, so ten jobs a
/// minute need one worker. A backlog is to be worked off within a minute. With 20 workers, the last
/// of 40 jobs would wait for twelve seconds.
const PLAN: &str = r#"
utilisation = 1.0
drain_seconds = 60
budget_dollars_per_hour = 10
stale_seconds = 600
history = { quantile = 1.0, margin = 0.0 }

[levers]
express = { floor = 2, ceiling = 2, lead_minutes = 1, hold_minutes = 0, step_up = 10, step_down = 0.01 }
standard = { floor = 2, ceiling = 20, lead_minutes = 9, hold_minutes = 0, step_up = 10, step_down = 0.01 }
bulk = { floor = 2, ceiling = 2, lead_minutes = 1, hold_minutes = 0, step_up = 10, step_down = 0.01 }
warm = { floor = 2, ceiling = 40, lead_minutes = 3, hold_minutes = 0, step_up = 10, step_down = 0.01 }
acus = { floor = 1, ceiling = 8, lead_minutes = 0, hold_minutes = 0, step_up = 10, step_down = 0.01 }
readers = { floor = 0, ceiling = 3, lead_minutes = 10, hold_minutes = 0, step_up = 10, step_down = 0.01 }
cache = { floor = 0, ceiling = 20000, lead_minutes = 60, hold_minutes = 0, step_up = 100, step_down = 0.01 }

[work]
seconds_per_job = { express = 6, standard = 6, bulk = 6 }
requests_per_job = 3
seconds_per_request = 2
jobs_per_second_per_acu = 0.5
jobs_per_second_per_reader = 1
ecpus_per_job = 5000
api_memory_mb = 256
worker_memory_mb = { express = 1024, standard = 1024, bulk = 1024 }

[[calendar]]
name = "launch"
zone = "UTC"
date = "2030-06-01"
from = "12:00"
until = "13:00"
jobs_per_minute = { standard = 120 }

[[calendar]]
name = "another launch"
zone = "UTC"
date = "2030-07-01"
from = "12:00"
until = "13:00"
jobs_per_minute = { express = 240 }

[degradation]
wait_seconds = [10, 1000, 2000]
failures = [0.5, 0.8, 0.9]
leave = 0.5
calm_minutes = 0
"#;
const CEILINGS: &str = r#"{"warm":40,"express":2,"standard":2,"bulk":2,"acus":8,"cache":20000}"#;
static REGION: OnceCell<Region> = OnceCell::const_new();
static TURN: Mutex<()> = Mutex::const_new(());

/// The stack. Only one test at a time has it.
pub(crate) async fn stack() -> (Region, MutexGuard<'static, ()>) {
    let turn = TURN.lock().await;
    (REGION.get_or_init(make).await.clone(), turn)
}

async fn make() -> Region {
    let cloud = cloud().await;
    let name = REGIONS[1];
    let template = cloud.instance.dir().join("build/template.yaml");
    let mut parameters = deploy::parameters(&cloud.instance, name);
    parameters.insert("StandardConcurrency".to_owned(), "20".to_owned());
    deploy_stack(&cloud.instance, name, &template, STACK, &parameters).await.unwrap();
    let made = outputs(&addresses::sdk(&cloud.instance, name), STACK).await.unwrap();
    tenant::register(&cloud.instance, name, &made).await.unwrap();
    let file = cloud.instance.dir().join("capacity.toml");
    fs::write(&file, PLAN).unwrap();
    let region = cloud.stack(name, made);
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let function = &region.outputs["PrescaleFunction"];
    let configuration = lambda.get_function_configuration().function_name(function).send().await.unwrap();
    let known = configuration
        .environment()
        .and_then(|known| known.variables())
        .expect("an environment");
    let environment = Environment::builder()
        .set_variables(Some(known.clone()))
        .variables("CAPACITY_PLAN_FILE", file.to_str().unwrap());
    let change = lambda.update_function_configuration().function_name(function);
    change.environment(environment.build()).send().await.unwrap();
    region
}

impl Region {
    async fn plan_at(&self, moment: &str) -> Value {
        self.invoke("PrescaleFunction", &json!({"action": "plan", "at": moment})).await
    }

    pub(crate) async fn plan(&self) -> Value {
        self.invoke("PrescaleFunction", &json!({"action": "plan"})).await
    }

    async fn mapping(&self, lane: &str) -> EventSourceMappingConfiguration {
        let worker = format!("{}:live", self.outputs[&format!("Summarize{lane}Function")]);
        let lambda = aws_sdk_lambda::Client::new(&self.sdk);
        let mappings = lambda.list_event_source_mappings().function_name(worker).send().await.unwrap();
        mappings.event_source_mappings.unwrap().remove(0)
    }

    pub(crate) async fn workers(&self, lane: &str) -> i32 {
        let mapping = self.mapping(lane).await;
        mapping
            .scaling_config()
            .and_then(ScalingConfig::maximum_concurrency)
            .expect("a bound")
    }

    async fn enable(&self, lane: &str, enabled: bool) {
        let id = self.mapping(lane).await.uuid;
        let lambda = aws_sdk_lambda::Client::new(&self.sdk);
        let change = lambda.update_event_source_mapping().set_uuid(id).enabled(enabled);
        change.send().await.unwrap();
    }

    async fn put_metric(&self, namespace: &str, name: &str, (dimension, of): (&str, &str), at: Timestamp, value: f64) {
        let dimension = aws_sdk_cloudwatch::types::Dimension::builder().name(dimension).value(of);
        let data = aws_sdk_cloudwatch::types::MetricDatum::builder()
            .metric_name(name)
            .dimensions(dimension.build())
            .timestamp(aws_sdk_cloudwatch::primitives::DateTime::from_secs(at.as_second()))
            .value(value)
            .build();
        let put = aws_sdk_cloudwatch::Client::new(&self.sdk).put_metric_data();
        put.namespace(namespace).metric_data(data).send().await.unwrap();
    }

    /// Waits until the API tells clients of a waiting job to come back after so many seconds.
    async fn comes_to_answer(&self, id: &str, seconds: &str) {
        comes_true(&format!("clients come back after {seconds} s"), async || {
            let request = self.request(Method::GET, &format!("/v1/summaries/{id}")).bearer_auth(tenant::KEY);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            response.headers()["retry-after"] == seconds
        })
        .await;
    }
}

#[tokio::test]
async fn capacity_is_raised_before_a_calendar_event_and_lowered_after_it() {
    let (region, _turn) = stack().await;
    for (moment, workers, because) in [
        ("2030-06-01T11:40:00Z", 2, "floor"),
        ("2030-06-01T11:51:00Z", 12, "calendar: launch"),
        ("2030-06-01T12:30:00Z", 12, "calendar: launch"),
        ("2030-06-01T13:01:00Z", 2, "floor"),
    ] {
        let report = region.plan_at(moment).await;
        assert_eq!(region.workers("Standard").await, workers, "{moment}: {report}");
        assert_eq!(report["reasons"]["standard"], because, "{moment}: {report}");
        let again = region.plan_at(moment).await;
        assert_eq!(again["actions"], json!([]), "{moment}: the second run changes nothing");
    }
    let look = json!({"action": "plan", "dry_run": true, "at": "2030-06-01T12:00:00Z"});
    let report = region.invoke("PrescaleFunction", &look).await;
    assert_eq!(report["actions"], json!([{"set": {"lever": "standard", "from": 2.0, "to": 12.0}}]));
    assert_eq!(region.workers("Standard").await, 2, "a dry run changes nothing");
}

#[tokio::test]
async fn two_runs_at_once_do_what_one_does() {
    let (region, _turn) = stack().await;
    let up = || region.plan_at("2030-06-01T12:00:00Z");
    let runs = tokio::join!(up(), up(), up(), up());
    assert_eq!(region.workers("Standard").await, 12);
    for run in [runs.0, runs.1, runs.2, runs.3] {
        assert_eq!((&run["desired"]["standard"], &run["failures"]), (&json!(12.0), &json!([])), "{run}");
    }
    region.plan_at("2030-06-02T12:00:00Z").await;
    assert_eq!(region.workers("Standard").await, 2);
}

#[tokio::test]
async fn the_same_hour_of_last_week_is_expected_again() {
    let (region, _turn) = stack().await;
    let queue = region.outputs["StandardQueue"].rsplit('/').next().unwrap().to_owned();
    // A day ahead, because no other test makes `prescale` read the metrics of that moment.
    let moment = Timestamp::now() + SignedDuration::from_hours(24);
    for step in 0..12 {
        let at = moment - SignedDuration::from_hours(7 * 24) + SignedDuration::from_mins(5 * step - 5);
        region
            .put_metric("AWS/SQS", "NumberOfMessagesSent", ("QueueName", &queue), at, 350.0)
            .await;
    }
    let report = region.plan_at(&moment.to_string()).await;
    assert_eq!(report["reasons"]["standard"], "same hour of other weeks", "{report}");
    assert_eq!(region.workers("Standard").await, 7, "70 jobs a minute: {report}");
    region.plan_at("2030-06-02T12:00:00Z").await;
    assert_eq!(region.workers("Standard").await, 2);
}

#[tokio::test]
async fn throttled_workers_are_seen() {
    let (region, _turn) = stack().await;
    let moment = Timestamp::now() + SignedDuration::from_hours(48);
    let worker = region.outputs["SummarizeExpressFunction"].clone();
    let seen = moment - SignedDuration::from_mins(2);
    region
        .put_metric("AWS/Lambda", "Throttles", ("FunctionName", &worker), seen, 3.0)
        .await;
    let report = region.plan_at(&moment.to_string()).await;
    assert_eq!(
        (&report["signals"]["throttles"], &report["level"]),
        (&json!(3.0), &json!(1)),
        "{report}"
    );
    let later = moment + SignedDuration::from_mins(10);
    let report = region.plan_at(&later.to_string()).await;
    assert_eq!(
        (&report["signals"]["throttles"], &report["level"]),
        (&json!(0.0), &json!(0)),
        "{report}"
    );
}

#[tokio::test]
async fn a_backlog_gets_workers_and_results_without_keywords_until_it_is_gone() {
    let (region, _turn) = stack().await;
    region.enable("Standard", false).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        let body = json!({"text": prose(&format!("backlog {number}"), 600), "length": {"sentences": 1}, "include": ["keywords"]});
        ids.push(region.accepted(&body).await);
    }
    let report = region.plan().await;
    assert_eq!(report["reasons"]["standard"], "arrivals", "40 jobs within half a minute: {report}");
    assert_eq!((region.workers("Standard").await, &report["level"]), (12, &json!(1)), "{report}");
    // The API reads the level again only after some seconds.
    region.comes_to_answer(&ids[0], "5").await;

    region.enable("Standard", true).await;
    for id in &ids {
        let resource = region.succeeds(id).await;
        assert_eq!(resource["result"]["degraded"], true, "{resource}");
        assert!(resource["result"]["keywords"].is_null(), "{resource}");
    }
    // SQS still counts a deleted message for a moment.
    comes_true("the level and the workers fall", async || {
        region.plan().await["level"] == 0 && region.workers("Standard").await == 2
    })
    .await;
    // The workers, too, read the level again only after some seconds. If the result without
    // keywords were used again for the same text, this would never come true.
    let body = json!({"text": prose("backlog 0", 600), "length": {"sentences": 1}, "include": ["keywords"]});
    comes_true("the same text has keywords again", async || {
        let (status, mut resource) = region.submit(&body).await;
        assert!(status.is_success(), "{resource}");
        if resource["status"] != "succeeded" {
            resource = region.succeeds(resource["id"].as_str().unwrap()).await;
        }
        let has_keywords = resource["result"]["keywords"]
            .as_array()
            .is_some_and(|keywords| !keywords.is_empty());
        assert_eq!(resource["result"]["degraded"], !has_keywords, "{resource}");
        has_keywords
    })
    .await;
}

#[tokio::test]
async fn level_three_pauses_the_bulk_lane_and_recovery_restores_all() {
    let (region, _turn) = stack().await;
    let states = async || -> BTreeMap<&str, String> {
        let mut states = BTreeMap::new();
        for lane in ["Express", "Standard", "Bulk"] {
            states.insert(lane, region.mapping(lane).await.state.unwrap_or_default());
        }
        states
    };
    let all_run = states().await;
    let pinned = region
        .invoke("PrescaleFunction", &json!({"action": "pin", "level": 3, "minutes": 10}))
        .await;
    assert_eq!(pinned["level"], 3, "{pinned}");
    let report = region.plan().await;
    assert_eq!((&report["level"], &report["pinned"]), (&json!(3), &json!(true)), "{report}");
    assert_eq!(region.mapping("Bulk").await.state(), Some("Disabled"));
    let of = |seed: &str, lane: &str| json!({"text": prose(seed, 600), "length": {"sentences": 1}, "priority": lane});
    let waiting = region.accepted(&of("waits for level three to end", "bulk")).await;
    let meanwhile = region.accepted(&of("does not wait", "express")).await;
    region.succeeds(&meanwhile).await;
    region.comes_to_answer(&waiting, "30").await;
    assert_eq!(region.read(&waiting).await.1["status"], "queued");

    region.invoke("PrescaleFunction", &json!({"action": "unpin"})).await;
    let report = region.plan().await;
    assert_eq!((&report["level"], &report["pinned"]), (&json!(0), &json!(false)), "{report}");
    assert_eq!(states().await, all_run);
    region.succeeds(&waiting).await;
    region.enable("Bulk", false).await;
    let unfinished = region.accepted(&of("asked about after recovery", "bulk")).await;
    region.comes_to_answer(&unfinished, "1").await;
    let report = region.plan().await;
    assert_eq!(
        report["actions"],
        json!([{"resume": "bulk"}]),
        "a lane that should run is started again: {report}"
    );
    region.succeeds(&unfinished).await;
}

#[tokio::test]
async fn an_expired_pin_has_no_effect() {
    let region = crate::cloud::region().await;
    let level = || ServiceLevel::new(&region.sdk, region.outputs["LedgerTable"].clone(), "nowhere-1");
    for (from_now, current) in [(3_600, Level::QueueOnly), (-1, Level::Normal)] {
        let until = Timestamp::now() + SignedDuration::from_secs(from_now);
        level()
            .pin(Pin {
                level: Level::QueueOnly,
                until,
            })
            .await
            .unwrap();
        assert_eq!(level().current().await, current, "{from_now} s from now");
    }
}

/// A server of moto, which emulates Application Auto Scaling and Aurora. It stops when it is
/// dropped.
pub(crate) struct Moto {
    process: tokio::process::Child,
    pub(crate) url: String,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        Python::Moto.install().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let process = tokio::process::Command::new(Python::Moto.bin().join("moto_server"))
            .args(["--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut moto = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        comes_true("moto answers", async || {
            assert_eq!(moto.process.try_wait().unwrap(), None, "moto stopped");
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        moto
    }
}

/// The capacity of warm environments, readers, Aurora and the cache.
async fn stores(moto: &SdkConfig, cloud: &SdkConfig) -> (Vec<i32>, f64, i32) {
    use aws_sdk_applicationautoscaling::types::ServiceNamespace;
    use aws_sdk_elasticache::types::{CacheUsageLimits, EcpuPerSecond};
    use aws_sdk_rds::types::ServerlessV2ScalingConfigurationInfo;
    let autoscaling = aws_sdk_applicationautoscaling::Client::new(moto);
    let mut least = Vec::new();
    for namespace in [ServiceNamespace::Lambda, ServiceNamespace::Rds] {
        let targets = autoscaling
            .describe_scalable_targets()
            .service_namespace(namespace)
            .send()
            .await
            .unwrap();
        least.extend(targets.scalable_targets().iter().map(|target| target.min_capacity));
    }
    let clusters = aws_sdk_rds::Client::new(moto).describe_db_clusters().send().await.unwrap();
    let cluster = &clusters.db_clusters()[0];
    let units = cluster
        .serverless_v2_scaling_configuration()
        .and_then(ServerlessV2ScalingConfigurationInfo::min_capacity);
    let caches = aws_sdk_elasticache::Client::new(cloud)
        .describe_serverless_caches()
        .send()
        .await
        .unwrap();
    let limits = caches.serverless_caches()[0].cache_usage_limits();
    let cache = limits.and_then(CacheUsageLimits::ecpu_per_second).and_then(EcpuPerSecond::minimum);
    (least, units.unwrap_or_default(), cache.unwrap_or_default())
}

/// The scheduled actions of Application Auto Scaling: when, and the minimum from then on.
async fn scheduled(autoscaling: &aws_sdk_applicationautoscaling::Client) -> Vec<(String, i32)> {
    use aws_sdk_applicationautoscaling::types::{ScalableTargetAction, ServiceNamespace};
    let mut scheduled = Vec::new();
    for namespace in [ServiceNamespace::Lambda, ServiceNamespace::Rds] {
        let actions = autoscaling
            .describe_scheduled_actions()
            .service_namespace(namespace)
            .send()
            .await
            .unwrap();
        scheduled.extend(actions.scheduled_actions().iter().map(|action| {
            let least = action.scalable_target_action().and_then(ScalableTargetAction::min_capacity);
            (action.schedule().to_owned(), least.unwrap())
        }));
    }
    scheduled.sort();
    scheduled
}

/// Each kind of capacity is raised before the event by its own lead time: the cache an hour before,
/// the readers ten minutes, the warm environments three minutes, and Aurora when the event begins.
#[tokio::test]
async fn warm_environments_aurora_and_the_cache_are_raised_before_an_event() {
    use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
    let (cloud, region) = (cloud().await, crate::cloud::region().await);
    let moto = Moto::start().await;
    let elsewhere = region.sdk.to_builder().endpoint_url(&moto.url).build();
    let rds = aws_sdk_rds::Client::new(&elsewhere);
    let units = aws_sdk_rds::types::ServerlessV2ScalingConfiguration::builder()
        .min_capacity(1.0)
        .max_capacity(8.0)
        .build();
    let cluster = rds.create_db_cluster().db_cluster_identifier("archive").engine("aurora-postgresql");
    let cluster = cluster.master_username("owner").master_user_password("correct horse");
    cluster.serverless_v2_scaling_configuration(units).send().await.unwrap();
    let autoscaling = aws_sdk_applicationautoscaling::Client::new(&elsewhere);
    let warm = autoscaling
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Lambda)
        .resource_id("function:api:live")
        .scalable_dimension(ScalableDimension::LambdaFunctionProvisionedConcurrency);
    warm.min_capacity(2).max_capacity(40).send().await.unwrap();
    let readers = autoscaling
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Rds)
        .resource_id("cluster:archive")
        .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount);
    readers.min_capacity(0).max_capacity(0).send().await.unwrap();
    let most = aws_sdk_elasticache::types::EcpuPerSecond::builder().maximum(20_000).build();
    let limits = aws_sdk_elasticache::types::CacheUsageLimits::builder()
        .ecpu_per_second(most)
        .build();
    let elasticache = aws_sdk_elasticache::Client::new(&region.sdk);
    let cache = elasticache
        .create_serverless_cache()
        .serverless_cache_name("prescaled")
        .engine("valkey");
    cache.cache_usage_limits(limits).send().await.unwrap();

    let plan = cloud.instance.dir().join("stores.toml");
    fs::write(&plan, PLAN).unwrap();
    let table = region.table("prescale-stores").await;
    let emulator = cloud.emulator(
        "prescale",
        &[
            ("AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", &moto.url),
            ("AWS_ENDPOINT_URL_RDS", &moto.url),
            ("LEDGER_TABLE", &table),
            ("CAPACITY_PLAN_FILE", plan.to_str().unwrap()),
            ("CEILINGS", CEILINGS),
            ("API_ALIAS", "function:api:live"),
            ("DATABASE_CLUSTER", "archive"),
            ("DATABASE_READERS", "cluster:archive"),
            ("CACHE_NAME", "prescaled"),
        ],
    );
    // AWS is to raise and lower capacity at these times even if `prescale` does not run then.
    let early = json!({"action": "plan", "at": "2030-06-01T10:50:00Z"});
    for _ in 0..2 {
        let report = emulator.invoke(&early).await.unwrap();
        assert_eq!(report["failures"], json!([]), "{report}");
        assert_eq!(
            scheduled(&autoscaling).await,
            [
                ("at(2030-06-01T11:49:00)", 2),
                ("at(2030-06-01T11:56:00)", 23),
                ("at(2030-06-01T13:00:00)", 0),
                ("at(2030-06-01T13:00:00)", 2),
            ]
            .map(|(moment, least)| (moment.to_owned(), least))
        );
    }
    for (moment, expected) in [
        ("2030-06-01T10:50:00Z", (vec![2, 0], 1.0, 0)),
        ("2030-06-01T11:00:00Z", (vec![2, 0], 1.0, 10_000)),
        ("2030-06-01T11:50:00Z", (vec![2, 2], 1.0, 10_000)),
        ("2030-06-01T11:57:00Z", (vec![23, 2], 1.0, 10_000)),
        ("2030-06-01T12:00:00Z", (vec![23, 2], 4.0, 10_000)),
        ("2030-06-01T13:01:00Z", (vec![2, 0], 1.0, 0)),
    ] {
        // Lowering a value to zero takes a second run.
        for _ in 0..2 {
            let report = emulator.invoke(&json!({"action": "plan", "at": moment})).await.unwrap();
            assert_eq!(report["failures"], json!([]), "{moment}: {report}");
        }
        assert_eq!(stores(&elsewhere, &region.sdk).await, expected, "{moment}");
        let report = emulator.invoke(&json!({"action": "plan", "at": moment})).await.unwrap();
        assert_eq!(report["actions"], json!([]), "{moment}: {report}");
    }
    assert_eq!(scheduled(&autoscaling).await, [], "an event that is over is not scheduled any more");

    // While AWS changes the cluster, it refuses further changes. That is no failure, and the next
    // run makes the change.
    rds.stop_db_cluster().db_cluster_identifier("archive").send().await.unwrap();
    let launch = json!({"action": "plan", "at": "2030-06-01T12:00:00Z"});
    let report = emulator.invoke(&launch).await.unwrap();
    assert_eq!(
        (&report["changing"], &report["failures"]),
        (&json!(["acus"]), &json!([])),
        "{report}"
    );
    assert!(!report["actions"].to_string().contains("acus"), "{report}");
    assert_eq!(stores(&elsewhere, &region.sdk).await, (vec![20, 2], 1.0, 10_000));
    rds.start_db_cluster().db_cluster_identifier("archive").send().await.unwrap();
    let report = emulator.invoke(&launch).await.unwrap();
    assert_eq!((&report["changing"], &report["failures"]), (&json!([]), &json!([])), "{report}");
    assert_eq!(stores(&elsewhere, &region.sdk).await, (vec![23, 2], 4.0, 10_000));
}

#[tokio::test]
async fn provisioned_pollers_move_by_whole_pollers() {
    let (cloud, region) = (cloud().await, crate::cloud::region().await);
    let moto = Moto::start().await;
    let script = workspace().join("infra/local/python/pollers.py");
    let mut make = std::process::Command::new(Python::Moto.bin().join("python"));
    make.arg(script).args([&moto.url, REGIONS[0]]);
    local::tools::process::run(&mut make, "make workers in moto").unwrap();
    let elsewhere = region.sdk.to_builder().endpoint_url(&moto.url).build();
    let pollers = async || {
        let lambda = aws_sdk_lambda::Client::new(&elsewhere);
        let mappings = lambda.list_event_source_mappings().function_name("express").send().await.unwrap();
        let config = mappings.event_source_mappings()[0]
            .provisioned_poller_config()
            .cloned()
            .expect("pollers");
        (config.minimum_pollers.unwrap(), config.maximum_pollers.unwrap())
    };
    let plan = cloud.instance.dir().join("pollers.toml");
    fs::write(
        &plan,
        PLAN.replacen("floor = 2, ceiling = 2,", "floor = 20, ceiling = 100, multiple_of = 10,", 1),
    )
    .unwrap();
    let table = region.table("prescale-pollers").await;
    let emulator = cloud.emulator(
        "prescale",
        &[
            ("AWS_ENDPOINT_URL_LAMBDA", &moto.url),
            ("LEDGER_TABLE", &table),
            ("CAPACITY_PLAN_FILE", plan.to_str().unwrap()),
            ("CEILINGS", "{}"),
            ("EXPRESS_WORKER", "express"),
            ("STANDARD_WORKER", "standard"),
            ("BULK_WORKER", "bulk"),
        ],
    );
    for (moment, expected) in [
        ("2030-07-01T11:00:00Z", (2, 10)),
        // 24 workers need three pollers of ten workers each.
        ("2030-07-01T12:00:00Z", (3, 10)),
        ("2030-07-01T13:01:00Z", (2, 10)),
    ] {
        let event = json!({"action": "plan", "at": moment});
        let report = emulator.invoke(&event).await.unwrap();
        assert_eq!(report["failures"], json!([]), "{moment}: {report}");
        assert_eq!(pollers().await, expected, "{moment}: {report}");
        let again = emulator.invoke(&event).await.unwrap();
        assert_eq!(again["actions"], json!([]), "{moment}: {again}");
    }
}
