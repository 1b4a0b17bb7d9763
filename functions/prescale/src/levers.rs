//! Reads and sets the levers through the control APIs of AWS.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTargetAction, ServiceNamespace};
use aws_sdk_elasticache::types::{CacheUsageLimits, EcpuPerSecond, ServerlessCache};
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, ProvisionedPollerConfig, ScalingConfig};
use aws_sdk_rds::types::{DbCluster, ServerlessV2ScalingConfiguration, ServerlessV2ScalingConfigurationInfo};
use lambda_runtime::Error;
use shared::{
    capacity::{Action, Ahead, Lever, PerLane, State},
    config::{self, ConfigError},
    job::Lane,
    store::Chain,
};

/// How many workers one provisioned poller keeps busy.
const WORKERS_PER_POLLER: f64 = 10.0;
/// The prefix of the names of scheduled actions that come from the capacity plan.
const SCHEDULED: &str = "plan-";
/// The status of an Aurora cluster or a cache that AWS is not changing.
const AVAILABLE: &str = "available";

/// The environment variables with the names of the workers, as the event source mappings use them.
pub(crate) const WORKERS: PerLane<&str> = PerLane {
    express: "EXPRESS_WORKER",
    standard: "STANDARD_WORKER",
    bulk: "BULK_WORKER",
};

/// The present values of the levers.
pub(crate) struct Reading {
    /// The values of the levers that the deployment has and that could be read.
    pub(crate) state: State,
    /// Which lanes are paused, as far as that could be read.
    pub(crate) paused: PerLane<Option<bool>>,
    /// The levers that AWS is still changing. It refuses another change until that is finished.
    pub(crate) changing: BTreeSet<Lever>,
    /// The levers that could not be read, and why.
    pub(crate) failures: Vec<String>,
}

pub(crate) struct Levers {
    autoscaling: aws_sdk_applicationautoscaling::Client,
    elasticache: aws_sdk_elasticache::Client,
    lambda: aws_sdk_lambda::Client,
    rds: aws_sdk_rds::Client,
    workers: PerLane<String>,
    /// The API alias, if the deployment has warm environments.
    api: Option<String>,
    cluster: Option<String>,
    /// The scalable target of the readers. A secondary of a global database has none.
    readers: Option<String>,
    cache: Option<String>,
    ceilings: State,
}

impl Levers {
    pub(crate) fn from_env(aws: &SdkConfig, ceilings: State) -> Result<Self, ConfigError> {
        Ok(Self {
            autoscaling: aws_sdk_applicationautoscaling::Client::new(aws),
            elasticache: aws_sdk_elasticache::Client::new(aws),
            lambda: aws_sdk_lambda::Client::new(aws),
            rds: aws_sdk_rds::Client::new(aws),
            workers: WORKERS.try_map(config::required)?,
            api: config::optional("API_ALIAS"),
            cluster: config::optional("DATABASE_CLUSTER"),
            readers: config::optional("DATABASE_READERS"),
            cache: config::optional("CACHE_NAME"),
            ceilings,
        })
    }

    /// Reads every lever that the deployment has. If one of them cannot be read, the others are
    /// still read and set.
    pub(crate) async fn read(&self) -> Reading {
        let mut reading = Reading {
            state: State::new(),
            paused: PerLane::default(),
            changing: BTreeSet::new(),
            failures: Vec::new(),
        };
        for lever in Lever::ALL {
            match self.read_one(lever, &mut reading).await {
                Ok(value) => reading.state.extend(value.map(|value| (lever, value))),
                Err(error) => {
                    reading
                        .failures
                        .push(format!("the lever {lever} cannot be read: {}", Chain(error.as_ref())));
                }
            }
        }
        reading
    }

    async fn read_one(&self, lever: Lever, reading: &mut Reading) -> Result<Option<f64>, Error> {
        if let Some(lane) = lever.lane() {
            let mapping = self.mapping(lane).await?;
            if !matches!(mapping.state(), Some("Enabled" | "Disabled")) {
                reading.changing.insert(lever);
            }
            // In any other state it is not known, such as `Updating`.
            let is_paused = match mapping.state() {
                Some("Disabled" | "Disabling") => Some(true),
                Some("Enabled" | "Enabling") => Some(false),
                _ => None,
            };
            reading.paused.set(lane, is_paused);
            return Ok(workers(&mapping));
        }
        match (lever, &self.cluster, &self.cache) {
            (Lever::Acus, Some(cluster), _) => {
                let cluster = self.cluster(cluster).await?;
                if cluster.status() != Some(AVAILABLE) {
                    reading.changing.insert(lever);
                }
                Ok(units(cluster)?.min_capacity())
            }
            (Lever::Cache, _, Some(cache)) => {
                let cache = self.cache(cache).await?;
                if cache.status() != Some(AVAILABLE) {
                    reading.changing.insert(lever);
                }
                let limits = limits(cache)?;
                Ok(Some(f64::from(
                    limits.ecpu_per_second().and_then(EcpuPerSecond::minimum).unwrap_or(0),
                )))
            }
            _ => self.minimum(lever).await,
        }
    }

    /// Does one action.
    pub(crate) async fn apply(&self, action: &Action) -> Result<(), Error> {
        match *action {
            Action::Pause(lane) => self.enable(lane, false).await,
            Action::Resume(lane) => self.enable(lane, true).await,
            Action::Set { lever, to, .. } => match lever.lane() {
                Some(lane) => self.set_workers(lane, to).await,
                None => self.set(lever, to).await,
            },
        }
    }

    async fn mapping(&self, lane: Lane) -> Result<EventSourceMappingConfiguration, Error> {
        let worker = &self.workers[lane];
        let reply = self.lambda.list_event_source_mappings().function_name(worker).send().await?;
        let mapping = reply.event_source_mappings.and_then(|mappings| mappings.into_iter().next());
        Ok(mapping.ok_or_else(|| format!("the function {worker} has no event source mapping for the {lane} lane"))?)
    }

    async fn set_workers(&self, lane: Lane, workers: f64) -> Result<(), Error> {
        let mapping = self.mapping(lane).await?;
        let request = self.lambda.update_event_source_mapping().set_uuid(mapping.uuid);
        let request = if let Some(pollers) = mapping.provisioned_poller_config {
            let least = whole(workers / WORKERS_PER_POLLER);
            let config = ProvisionedPollerConfig::builder()
                .minimum_pollers(least)
                .maximum_pollers(pollers.maximum_pollers.unwrap_or(least).max(least));
            request.provisioned_poller_config(config.build())
        } else {
            request.scaling_config(ScalingConfig::builder().maximum_concurrency(whole(workers)).build())
        };
        request.send().await?;
        Ok(())
    }

    async fn enable(&self, lane: Lane, enabled: bool) -> Result<(), Error> {
        let mapping = self.mapping(lane).await?;
        let request = self.lambda.update_event_source_mapping().set_uuid(mapping.uuid);
        request.enabled(enabled).send().await?;
        Ok(())
    }

    async fn set(&self, lever: Lever, value: f64) -> Result<(), Error> {
        if let Some((namespace, resource, dimension)) = self.target(lever) {
            let request = self
                .autoscaling
                .register_scalable_target()
                .service_namespace(namespace)
                .resource_id(resource)
                .scalable_dimension(dimension);
            request
                .min_capacity(whole(value))
                .max_capacity(self.maximum(lever, value))
                .send()
                .await?;
            return Ok(());
        }
        match (lever, &self.cluster, &self.cache) {
            (Lever::Acus, Some(cluster), _) => {
                let most = units(self.cluster(cluster).await?)?.max_capacity().unwrap_or(value);
                let limits = ServerlessV2ScalingConfiguration::builder()
                    .min_capacity(value)
                    .max_capacity(most.max(value));
                let request = self.rds.modify_db_cluster().db_cluster_identifier(cluster);
                request
                    .serverless_v2_scaling_configuration(limits.build())
                    .apply_immediately(true)
                    .send()
                    .await?;
                Ok(())
            }
            (Lever::Cache, _, Some(cache)) => {
                let known = limits(self.cache(cache).await?)?;
                let units = EcpuPerSecond::builder()
                    .minimum(whole(value))
                    .set_maximum(known.ecpu_per_second().and_then(EcpuPerSecond::maximum));
                let limits = CacheUsageLimits::builder()
                    .set_data_storage(known.data_storage)
                    .ecpu_per_second(units.build());
                let request = self.elasticache.modify_serverless_cache().serverless_cache_name(cache);
                request.cache_usage_limits(limits.build()).send().await?;
                Ok(())
            }
            _ => Err(format!("the deployment has no lever {lever}").into()),
        }
    }

    /// Whether Application Auto Scaling sets this lever. Only such a lever can have scheduled
    /// actions.
    pub(crate) fn is_scheduled(&self, lever: Lever) -> bool {
        self.target(lever).is_some()
    }

    /// Leaves the announced demand of the calendar with Application Auto Scaling as scheduled
    /// actions. The capacity is then ready even if this function does not run on that day.
    /// Scheduled actions that the calendar no longer asks for are deleted.
    pub(crate) async fn schedule(&self, ahead: &[Ahead]) -> Result<(), Error> {
        for lever in Lever::ALL {
            let Some((namespace, resource, dimension)) = self.target(lever) else {
                continue;
            };
            let mut pages = self
                .autoscaling
                .describe_scheduled_actions()
                .service_namespace(namespace.clone())
                .resource_id(&resource)
                .scalable_dimension(dimension.clone())
                .into_paginator()
                .items()
                .send();
            let mut scheduled = BTreeMap::new();
            while let Some(action) = pages.next().await {
                let action = action?;
                scheduled.insert(action.scheduled_action_name, action.scalable_target_action);
            }
            for change in ahead.iter().filter(|change| change.lever == lever) {
                let name = scheduled_name(change);
                let bounds = ScalableTargetAction::builder()
                    .min_capacity(whole(change.least))
                    .max_capacity(self.maximum(lever, change.least))
                    .build();
                if scheduled.remove(&name).flatten().as_ref() == Some(&bounds) {
                    continue;
                }
                self.autoscaling
                    .put_scheduled_action()
                    .service_namespace(namespace.clone())
                    .resource_id(&resource)
                    .scalable_dimension(dimension.clone())
                    .scheduled_action_name(name)
                    .schedule(format!("at({})", change.from.strftime("%Y-%m-%dT%H:%M:%S")))
                    .scalable_target_action(bounds)
                    .send()
                    .await?;
            }
            for name in scheduled.into_keys().filter(|name| name.starts_with(SCHEDULED)) {
                self.autoscaling
                    .delete_scheduled_action()
                    .service_namespace(namespace.clone())
                    .resource_id(&resource)
                    .scalable_dimension(dimension.clone())
                    .scheduled_action_name(name)
                    .send()
                    .await?;
            }
        }
        Ok(())
    }

    /// The maximum that Application Auto Scaling may set for a lever.
    fn maximum(&self, lever: Lever, least: f64) -> i32 {
        whole(self.ceilings.get(&lever).copied().unwrap_or(least).max(least))
    }

    /// The minimum that Application Auto Scaling keeps for a lever.
    async fn minimum(&self, lever: Lever) -> Result<Option<f64>, Error> {
        let Some((namespace, resource, dimension)) = self.target(lever) else {
            return Ok(None);
        };
        let request = self
            .autoscaling
            .describe_scalable_targets()
            .service_namespace(namespace)
            .resource_ids(resource)
            .scalable_dimension(dimension);
        let targets = request.send().await?.scalable_targets.unwrap_or_default();
        Ok(targets.first().map(|target| f64::from(target.min_capacity)))
    }

    fn target(&self, lever: Lever) -> Option<(ServiceNamespace, String, ScalableDimension)> {
        match lever {
            Lever::Warm => Some((
                ServiceNamespace::Lambda,
                self.api.clone()?,
                ScalableDimension::LambdaFunctionProvisionedConcurrency,
            )),
            Lever::Readers => Some((
                ServiceNamespace::Rds,
                self.readers.clone()?,
                ScalableDimension::RdsClusterReadReplicaCount,
            )),
            _ => None,
        }
    }

    async fn cluster(&self, name: &str) -> Result<DbCluster, Error> {
        let reply = self.rds.describe_db_clusters().db_cluster_identifier(name).send().await?;
        let found = reply.db_clusters.and_then(|clusters| clusters.into_iter().next());
        Ok(found.ok_or_else(|| format!("there is no Aurora cluster {name}"))?)
    }

    async fn cache(&self, name: &str) -> Result<ServerlessCache, Error> {
        let request = self.elasticache.describe_serverless_caches().serverless_cache_name(name);
        let found = request.send().await?.serverless_caches.and_then(|caches| caches.into_iter().next());
        Ok(found.ok_or_else(|| format!("there is no serverless cache {name}"))?)
    }
}

fn units(cluster: DbCluster) -> Result<ServerlessV2ScalingConfigurationInfo, Error> {
    let units = cluster.serverless_v2_scaling_configuration;
    Ok(units.ok_or("the Aurora cluster is not serverless, so that it has no capacity units to set")?)
}

fn limits(cache: ServerlessCache) -> Result<CacheUsageLimits, Error> {
    Ok(cache.cache_usage_limits.ok_or("the cache has no usage limits")?)
}

/// How many workers an event source mapping has. With provisioned pollers, these are the workers
/// that the pollers keep busy. Without them, it is the maximum concurrency.
fn workers(mapping: &EventSourceMappingConfiguration) -> Option<f64> {
    let polled = mapping
        .provisioned_poller_config()
        .and_then(ProvisionedPollerConfig::minimum_pollers);
    let bounded = mapping.scaling_config().and_then(ScalingConfig::maximum_concurrency);
    polled
        .map(|pollers| f64::from(pollers) * WORKERS_PER_POLLER)
        .or_else(|| bounded.map(f64::from))
}

/// The name of a scheduled action. The time in it has no colons, because names may not contain
/// them.
fn scheduled_name(change: &Ahead) -> String {
    format!("{SCHEDULED}{}", change.from.strftime("%Y%m%dT%H%M%SZ"))
}

#[expect(clippy::cast_possible_truncation, reason = "the values of levers are small whole numbers")]
fn whole(value: f64) -> i32 {
    value.ceil() as i32
}
