//! Reads the signals of the service. The lane backlogs come from SQS, everything else from
//! CloudWatch.

use std::sync::Mutex;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat},
};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;
use shared::{
    capacity::{Demand, HISTORY_STEP_MINUTES, History, PerLane, Signals},
    config::{self, ConfigError},
    job::Lane,
    lanes::{self, Lanes},
    store::{Chain, StoreError},
};

use crate::levers::WORKERS;

/// How many minutes of the past the signals are taken from.
const WINDOW: i64 = 5;
/// With fewer deliveries than this, the share of failures and the time per job are not calculated,
/// because they would depend on chance.
const ENOUGH: f64 = 20.0;
/// How many minutes the history of other weeks reaches beyond the present moment.
const AHEAD: i64 = 180;
/// How long a history that was read is used before it is read again.
const KEPT: SignedDuration = SignedDuration::from_mins(60);
/// How many earlier weeks the history contains.
const WEEKS: i64 = 4;

pub(crate) struct Observer {
    cloudwatch: aws_sdk_cloudwatch::Client,
    lanes: Lanes,
    queues: PerLane<String>,
    workers: PerLane<String>,
    /// The API as `function:alias`, if the deployment has warm environments.
    api: Option<String>,
    /// The database instance that has the size of the writer.
    instance: Option<String>,
    proxy: Option<String>,
    cache: Option<String>,
    /// The history that was read last. It is read once an hour only, because every metric that is
    /// read costs money.
    history: Mutex<Option<History>>,
}

impl Observer {
    pub(crate) fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        let (queues, workers) = (lanes::URLS.try_map(config::required)?, WORKERS.try_map(config::required)?);
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        // CloudWatch keeps these metrics under the name of the function, even if the mapping
        // invokes an alias.
        let function = |alias: &str| alias.trim_end_matches(":live").rsplit(':').next().unwrap_or_default().to_owned();
        Ok(Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(aws),
            lanes: lanes::from_env(aws, lanes::URLS)?,
            queues: PerLane::from_fn(|lane| last(&queues[lane])),
            workers: PerLane::from_fn(|lane| function(&workers[lane])),
            api: config::optional("API_ALIAS").map(|api| api.trim_start_matches("function:").to_owned()),
            instance: config::optional("DATABASE_INSTANCE"),
            proxy: config::optional("PROXY_NAME"),
            cache: config::optional("CACHE_NAME"),
            history: Mutex::new(None),
        })
    }

    /// The signals and the history at a moment, and what could not be read. If the signals are
    /// missing, the planner lowers nothing.
    pub(crate) async fn observe(&self, now: Timestamp) -> (Signals, History, Vec<String>) {
        let mut failures = Vec::new();
        let signals = self.signals(now).await.unwrap_or_else(|error| {
            failures.push(format!(
                "the signals cannot be read, so that no capacity is lowered: {}",
                Chain(error.as_ref())
            ));
            Signals::default()
        });
        let history = self.history(now).await.unwrap_or_else(|error| {
            failures.push(format!("the demand of other weeks cannot be read: {}", Chain(error.as_ref())));
            History::default()
        });
        (signals, history, failures)
    }

    async fn signals(&self, now: Timestamp) -> Result<Signals, Error> {
        let mut queries = Queries::new(60);
        for lane in Lane::ALL {
            let (queue, worker) = (
                [("QueueName", self.queues[lane].as_str())],
                [("FunctionName", self.workers[lane].as_str())],
            );
            for metric in ["NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted"] {
                queries.add(&format!("{lane}_{metric}"), "AWS/SQS", metric, &queue, "Sum");
            }
            queries.add(
                &format!("{lane}_age"),
                "AWS/SQS",
                "ApproximateAgeOfOldestMessage",
                &queue,
                "Maximum",
            );
            for metric in ["Duration", "Throttles"] {
                queries.add(&format!("{lane}_{metric}"), "AWS/Lambda", metric, &worker, "Sum");
            }
        }
        if let Some(api) = &self.api {
            let (function, _) = api.split_once(':').unwrap_or((api, ""));
            let alias = [("FunctionName", function), ("Resource", api)];
            queries.add(
                "spill_over",
                "AWS/Lambda",
                "ProvisionedConcurrencySpilloverInvocations",
                &alias,
                "Sum",
            );
        }
        if let Some(instance) = &self.instance {
            // The metric of the cluster is the average of its instances.
            let instance = [("DBInstanceIdentifier", instance.as_str())];
            queries.add("acus", "AWS/RDS", "ServerlessDatabaseCapacity", &instance, "Maximum");
        }
        if let Some(proxy) = &self.proxy {
            let proxy = [("ProxyName", proxy.as_str())];
            queries.add("connections", "AWS/RDS", "DatabaseConnections", &proxy, "Maximum");
            queries.add("allowed", "AWS/RDS", "MaxDatabaseConnectionsAllowed", &proxy, "Maximum");
        }
        if let Some(cache) = &self.cache {
            queries.add(
                "throttled",
                "AWS/ElastiCache",
                "ThrottledCmds",
                &[("clusterId", cache.as_str())],
                "Sum",
            );
        }
        let depths = try_join_all(Lane::ALL.map(|lane| self.lanes[lane].depth()));
        let from = now - SignedDuration::from_mins(WINDOW);
        let (depths, data): (Result<Vec<f64>, StoreError>, _) = tokio::join!(depths, self.data(&queries, from, now));
        let (depths, data) = (depths?, data?);
        let values = |id: &str| {
            data.iter()
                .find(|(known, _)| known == id)
                .map(|(_, points)| points.as_slice())
                .unwrap_or_default()
        };
        let sum = |id: &str| values(id).iter().fold(0.0, |sum, (_, value)| sum + value);
        let latest = |id: &str| values(id).iter().max_by_key(|(at, _)| *at).map(|(_, value)| *value);
        let of = |lane: Lane, metric: &str| sum(&format!("{lane}_{metric}"));
        let all = |metric: &str| Lane::ALL.map(|lane| of(lane, metric)).iter().sum::<f64>();
        let received = all("NumberOfMessagesReceived");
        Ok(Signals {
            at: Some(now),
            // The busiest of the last minutes is taken, because their mean would rise too slowly
            // when demand rises suddenly.
            arrivals: PerLane::from_fn(|lane| {
                let minutes = values(&format!("{lane}_NumberOfMessagesSent")).iter();
                minutes.map(|(_, sent)| *sent).fold(0.0, f64::max)
            }),
            backlog: PerLane {
                express: depths[0],
                standard: depths[1],
                bulk: depths[2],
            },
            oldest: PerLane::from_fn(|lane| latest(&format!("{lane}_age")).unwrap_or(0.0)),
            throttles: all("Throttles"),
            spill_over: latest("spill_over").unwrap_or(0.0),
            seconds_per_job: PerLane::from_fn(|lane| {
                let done = of(lane, "NumberOfMessagesDeleted");
                (done >= ENOUGH).then(|| of(lane, "Duration") / 1000.0 / done)
            }),
            failures: if received >= ENOUGH {
                (1.0 - all("NumberOfMessagesDeleted") / received).max(0.0)
            } else {
                0.0
            },
            acus: latest("acus"),
            connections: latest("connections")
                .zip(latest("allowed").filter(|allowed| *allowed > 0.0))
                .map(|(used, allowed)| used / allowed),
            cache_throttled: sum("throttled"),
        })
    }

    async fn history(&self, now: Timestamp) -> Result<History, Error> {
        let known = self.history.lock().ok().and_then(|known| known.clone());
        if let Some(known) = known.filter(|known| (known.from..known.from + KEPT).contains(&now)) {
            return Ok(known);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the step is a small whole number of minutes")]
        let step = HISTORY_STEP_MINUTES as i64 * 60;
        // The periods of CloudWatch begin at whole multiples of their length.
        let from = Timestamp::from_second(now.as_second() / step * step)?;
        let mut queries = Queries::new(i32::try_from(step)?);
        for lane in Lane::ALL {
            let queue = [("QueueName", self.queues[lane].as_str())];
            queries.add(lane.as_str(), "AWS/SQS", "NumberOfMessagesSent", &queue, "Sum");
        }
        let weeks = (1..=WEEKS).map(|week| {
            let start = from - SignedDuration::from_hours(7 * 24 * week);
            let queries = &queries;
            async move {
                let data = self.data(queries, start, start + SignedDuration::from_mins(AHEAD)).await?;
                Ok::<_, Error>(samples(&data, start, step))
            }
        });
        let weeks: Vec<_> = try_join_all(weeks).await?.into_iter().flatten().collect();
        let history = History { from, weeks };
        if let Ok(mut known) = self.history.lock() {
            *known = Some(history.clone());
        }
        Ok(history)
    }

    /// Reads the points of each query. Each result has the id of its query.
    async fn data(&self, queries: &Queries, from: Timestamp, until: Timestamp) -> Result<Vec<(String, Points)>, Error> {
        let mut pages = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries.queries.clone()))
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(until.as_second()))
            .into_paginator()
            .send();
        let mut data: Vec<(String, Points)> = Vec::new();
        while let Some(page) = pages.next().await {
            data.extend(page?.metric_data_results.unwrap_or_default().into_iter().filter_map(points));
        }
        Ok(data)
    }
}

/// Points of a metric: the time in seconds since 1970, and the value.
type Points = Vec<(i64, f64)>;

fn points(result: MetricDataResult) -> Option<(String, Points)> {
    let times = result.timestamps.unwrap_or_default();
    let values = result.values.unwrap_or_default();
    let points = times.iter().map(DateTime::secs).zip(values).collect();
    Some((result.id?, points))
}

/// The jobs per minute in each step of one week. `None` if that week has no data at all.
fn samples(data: &[(String, Points)], start: Timestamp, step: i64) -> Option<Vec<Demand>> {
    if data.iter().all(|(_, points)| points.is_empty()) {
        return None;
    }
    let steps = usize::try_from(AHEAD * 60 / step).unwrap_or_default();
    let at = |lane: Lane, number: usize| {
        let moment = start.as_second() + i64::try_from(number).unwrap_or_default() * step;
        let points = data.iter().find(|(id, _)| id == lane.as_str()).map(|(_, points)| points);
        let sent = points.and_then(|points| points.iter().find(|(at, _)| *at == moment));
        sent.map_or(0.0, |(_, sent)| sent / HISTORY_STEP_MINUTES)
    };
    Some((0..steps).map(|number| PerLane::from_fn(|lane| at(lane, number))).collect())
}

/// Metrics that are read with one request.
struct Queries {
    period: i32,
    queries: Vec<MetricDataQuery>,
}

impl Queries {
    fn new(period: i32) -> Self {
        Self {
            period,
            queries: Vec::new(),
        }
    }

    fn add(&mut self, id: &str, namespace: &str, metric: &str, dimensions: &[(&str, &str)], statistic: &str) {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
        let metric = Metric::builder()
            .namespace(namespace)
            .metric_name(metric)
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let statistic = MetricStat::builder().metric(metric).period(self.period).stat(statistic).build();
        self.queries.push(MetricDataQuery::builder().id(id).metric_stat(statistic).build());
    }
}
