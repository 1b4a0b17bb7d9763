//! `cargo local cost`: what a month of each phase costs, calculated from the values of the template
//! and from `infra/cost.toml`.

use std::{collections::BTreeMap, fmt::Write, fs};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    checkout::workspace,
    template::{self, rules::Estate, stack::Parameters},
};

const HOURS: f64 = 730.0;
const SECONDS: f64 = HOURS * 3600.0;
const MILLION: f64 = 1e6;
const GB: f64 = 1e9;
/// The number of metrics that the functions emit, counted with their dimensions.
const METRICS: f64 = 27.0;
/// Parts of the cost that a service on containers would not have.
const LAMBDA_TIME: &str = "Lambda time";
const LAMBDA_REQUESTS: &str = "Lambda requests";
const API_GATEWAY: &str = "API Gateway";
const WARM: &str = "warm API";
/// Parts of the cost that do not depend on the number of summaries.
const DATABASE: &str = "database";
const STORAGE: &str = "database storage";
const CACHE: &str = "cache";
/// A function with so many megabytes has one vCPU.
const VCPU_MEGABYTES: f64 = 1769.0;

#[derive(Deserialize)]
struct Book {
    prices: BTreeMap<String, BTreeMap<String, f64>>,
    usage: BTreeMap<String, f64>,
    months: BTreeMap<String, Month>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Month {
    summaries: f64,
    /// The mean size of a batch, as a share of the largest one.
    share_of_batch: f64,
}

/// What a phase costs: fixed cost of a month, and cost of a million summaries.
#[derive(Debug)]
pub struct Cost {
    pub fixed: BTreeMap<&'static str, f64>,
    pub per_million: BTreeMap<&'static str, f64>,
    /// Summaries in a month.
    pub summaries: f64,
    /// What Savings Plans would save in a month at most, if they covered all fixed cost, by kind of
    /// plan.
    pub savings: BTreeMap<&'static str, f64>,
    /// The cost of the same month on containers that can take three times the mean load.
    pub containers: f64,
    /// With more summaries than this in a month, the smallest set of containers costs less than
    /// Lambda.
    pub break_even: f64,
}

impl Cost {
    /// Dollars in a month.
    pub fn month(&self) -> f64 {
        self.fixed.values().sum::<f64>() + self.per_million.values().sum::<f64>() * self.summaries / MILLION
    }
}

impl Book {
    fn price(&self, service: &str, unit: &str) -> Result<f64> {
        let price = self.prices.get(service).and_then(|units| units.get(unit));
        price
            .copied()
            .with_context(|| format!("infra/cost.toml has no price {service}.{unit}"))
    }

    fn usage(&self, name: &str) -> Result<f64> {
        self.usage
            .get(name)
            .copied()
            .with_context(|| format!("infra/cost.toml has no usage.{name}"))
    }
}

/// Calculates all phases.
///
/// # Errors
/// If a price or a figure is missing, or a template does not allow its values.
pub fn phases() -> Result<BTreeMap<String, Cost>> {
    let book: Book = toml::from_str(&fs::read_to_string(workspace().join("infra/cost.toml"))?).context("infra/cost.toml")?;
    let environments = template::environments()?;
    let phase = |name: &String| {
        let environment = environments
            .get(name)
            .with_context(|| format!("samconfig.toml has no environment {name}"))?;
        let (estate, _) = template::estate(name, environment)?;
        let case = Case {
            book: &book,
            month: &book.months[name],
            parameters: &environment.1,
            estate: &estate,
        };
        Ok((name.clone(), case.calculate()?))
    };
    book.months.keys().map(phase).collect()
}

/// The part of a processor that one thread of a function can use.
fn vcpus(megabytes: f64) -> f64 {
    (megabytes / VCPU_MEGABYTES).min(1.0)
}

type Parts = BTreeMap<&'static str, f64>;

/// One phase, and what its cost is calculated from.
struct Case<'a> {
    book: &'a Book,
    month: &'a Month,
    parameters: &'a Parameters,
    estate: &'a Estate,
}

impl Case<'_> {
    fn value(&self, name: &str) -> f64 {
        self.parameters.get(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.parameters.get(name).is_some_and(|given| given == value)
    }

    /// Gigabytes that the summaries of a month take in the database.
    fn stored(&self) -> Result<f64> {
        Ok(self.month.summaries * self.book.usage("stored_bytes")? / GB)
    }

    /// Batches per summary.
    fn batches(&self) -> f64 {
        1.0 / (self.value("StandardBatchSize") * self.month.share_of_batch).max(1.0)
    }

    /// Milliseconds that a worker runs for one summary.
    fn worker(&self) -> Result<f64> {
        let vcpu = vcpus(self.value("StandardMemory"));
        let batch = self.book.usage("worker_cpu_milliseconds_per_batch")? / vcpu + self.waiting("worker_round_trips_per_batch")?;
        Ok(self.batches() * batch + self.book.usage("engine_milliseconds_per_vcpu")? / vcpu)
    }

    /// Milliseconds that the API runs for one summary.
    fn api(&self) -> Result<f64> {
        let computing = self.book.usage("api_cpu_milliseconds")? / vcpus(self.value("ApiMemory"));
        Ok(self.book.usage("api_requests")? * (computing + self.waiting("api_round_trips")?))
    }

    /// Milliseconds of waiting for the answers of the stores.
    fn waiting(&self, round_trips: &str) -> Result<f64> {
        Ok(self.book.usage(round_trips)? * self.book.usage("round_trip_milliseconds")?)
    }

    fn fixed(&self) -> Result<Parts> {
        let Self { book, .. } = self;
        let stored = self.stored()?;
        let mut fixed = BTreeMap::new();
        if self.is("Database", "aurora") {
            let acus = self.value("MinAcu") * (1.0 + self.value("Readers"));
            fixed.insert(DATABASE, acus * HOURS * book.price("rds", "acu_hour")?);
            fixed.insert(STORAGE, stored * book.price("rds", "aurora_gb_month")?);
            let behind = acus.max(book.price("rds", "proxy_least_acus")?);
            fixed.insert("database proxy", behind * HOURS * book.price("rds", "proxy_acu_hour")?);
        } else {
            fixed.insert(DATABASE, HOURS * book.price("rds", "instance_hour")?);
            fixed.insert(STORAGE, 20.0 * book.price("rds", "gp3_gb_month")?);
            let behind = book.price("rds", "instance_vcpus")?;
            fixed.insert("database proxy", behind * HOURS * book.price("rds", "proxy_vcpu_hour")?);
        }
        if self.parameters.get("BackupCopyRegion").is_some_and(|region| !region.is_empty()) {
            // Each day a full copy is made, and the vault in the other region has a key of its own.
            let (kept, moved) = (self.value("BackupRetentionDays"), HOURS / 24.0);
            let copied = kept * book.price("backup", "aurora_gb_month")? + moved * book.price("backup", "gb_moved")?;
            fixed.insert("backup copies", stored * copied + book.price("kms", "key_month")?);
        }
        if self.is("Cache", "cluster") {
            let nodes = self.value("CacheShards") * (1.0 + self.value("CacheReplicasPerShard"));
            fixed.insert(CACHE, nodes * HOURS * book.price("elasticache", "node_hour")?);
        } else {
            // The cache keeps the results of about a day.
            let kept = (stored / 30.0).clamp(book.price("elasticache", "least_gb")?, self.value("CacheMaxStorageGb"));
            fixed.insert(CACHE, kept * HOURS * book.price("elasticache", "gb_hour")?);
        }
        fixed.insert(
            "endpoints",
            self.value("AvailabilityZones") * HOURS * book.price("network", "endpoint_zone_hour")?,
        );
        let warm = self.value("ApiProvisioned") * self.value("ApiMemory") / 1024.0;
        fixed.insert(WARM, warm * SECONDS * book.price("lambda", "provisioned_gb_second")?);
        let watching = self.estate.count("AWS::CloudWatch::Alarm") * book.price("cloudwatch", "alarm_month")?
            + METRICS * book.price("cloudwatch", "metric_month")?
            + book.price("cloudwatch", "dashboard_month")?;
        fixed.insert("monitoring", watching);
        if self.is("Prescaling", "true") {
            let read = book.usage("prescale_metrics_read_per_minute")? * HOURS * 60.0 / 1000.0;
            let made = book.usage("prescale_metrics")? * book.price("cloudwatch", "metric_month")?;
            fixed.insert("prescaling", read * book.price("cloudwatch", "thousand_metrics_read")? + made);
        }
        fixed.insert("keys", self.estate.count("AWS::KMS::Key") * book.price("kms", "key_month")?);
        Ok(fixed)
    }

    fn per_million(&self) -> Result<Parts> {
        let Self { book, .. } = self;
        let batches = self.batches();
        let gb_milliseconds = self.worker()? * self.value("StandardMemory") + self.api()? * self.value("ApiMemory");
        let compute = gb_milliseconds / 1000.0 / 1024.0 * book.price("lambda", "gb_second")? * MILLION;
        let invocations = batches + book.usage("api_requests")?;
        let messages = book.usage("sqs_sends")? + batches * book.usage("sqs_per_batch")?;
        let writes = book.usage("ledger_writes")? * book.price("dynamodb", "million_writes")?;
        let reads = book.usage("ledger_reads")? * book.price("dynamodb", "million_reads")?;
        let lines = book.usage("api_requests")? * book.usage("log_bytes_per_request")? + book.usage("log_bytes_per_job")?;
        let units = book.usage("ecpus")? * book.price("elasticache", "million_ecpu")?;
        let ios = batches * book.usage("database_ios_per_batch")? * book.price("rds", "million_ios")?;
        Ok(BTreeMap::from([
            (LAMBDA_TIME, compute),
            (LAMBDA_REQUESTS, invocations * book.price("lambda", "million_requests")?),
            (
                API_GATEWAY,
                book.usage("api_requests")? * book.price("api_gateway", "million_requests")?,
            ),
            ("SQS", messages * book.price("sqs", "million_requests")?),
            ("DynamoDB", writes + reads),
            ("cache units", if self.is("Cache", "cluster") { 0.0 } else { units }),
            ("database I/O", if self.is("Database", "aurora") { ios } else { 0.0 }),
            ("logs", lines / GB * MILLION * book.price("cloudwatch", "gb_logs")?),
        ]))
    }

    fn savings(&self, fixed: &Parts) -> Result<Parts> {
        let off = |plan: &str| self.book.price("savings_plans", plan);
        let serverless = off("database_serverless")?;
        let database = if self.is("Database", "aurora") { serverless } else { 0.0 };
        let cache = if self.is("Cache", "cluster") {
            off("database_node")?
        } else {
            serverless
        };
        Ok(BTreeMap::from([
            ("compute", fixed[WARM] * off("compute")?),
            ("database", fixed[DATABASE] * database + fixed[CACHE] * cache),
        ]))
    }

    fn calculate(&self) -> Result<Cost> {
        let Self { book, month, .. } = self;
        let (fixed, per_million) = (self.fixed()?, self.per_million()?);
        let task = book.price("fargate", "vcpu_hour")? + 2.0 * book.price("fargate", "gb_hour")?;
        let balancer = book.price("fargate", "balancer_hour")?;
        // At least two API tasks and two workers, and more of them for three times the mean load. A
        // task works on eight jobs, or answers 32 requests, at the same time.
        let tasks = |milliseconds: f64, at_once: f64| {
            let busy = 3.0 * month.summaries * milliseconds / 1000.0 / SECONDS;
            (busy / at_once).ceil().max(2.0)
        };
        let running = |tasks: f64| tasks * HOURS * task + HOURS * balancer;
        let replaced: f64 = [LAMBDA_TIME, LAMBDA_REQUESTS, API_GATEWAY]
            .iter()
            .map(|name| per_million[name])
            .sum();
        let warm = fixed[WARM];
        let mut cost = Cost {
            savings: self.savings(&fixed)?,
            break_even: (running(4.0) - warm).max(0.0) / replaced * MILLION,
            summaries: month.summaries,
            containers: 0.0,
            fixed,
            per_million,
        };
        let instead = running(tasks(self.worker()?, 8.0) + tasks(self.api()?, 32.0));
        cost.containers = cost.month() - replaced * month.summaries / MILLION - warm + instead;
        Ok(cost)
    }
}

/// The table that `cargo local cost` prints.
///
/// # Errors
/// See [`phases`].
pub fn table() -> Result<String> {
    let mut text = String::new();
    for (name, cost) in phases()? {
        writeln!(text, "{name}: {:.0} summaries a month", cost.summaries)?;
        for (part, dollars) in cost.fixed.iter().filter(|(_, dollars)| **dollars > 0.0) {
            writeln!(text, "  {part:<18} {dollars:>10.2} $/month")?;
        }
        for (part, dollars) in cost.per_million.iter().filter(|(_, dollars)| **dollars > 0.0) {
            writeln!(text, "  {part:<18} {dollars:>10.2} $/million")?;
        }
        let (fixed, variable) = (cost.fixed.values().sum::<f64>(), cost.per_million.values().sum::<f64>());
        writeln!(
            text,
            "  fixed {fixed:.2} $/month + {variable:.2} $/million = {:.2} $/month",
            cost.month()
        )?;
        writeln!(text, "  {:.2} $/million in all", cost.month() / cost.summaries * MILLION)?;
        writeln!(
            text,
            "  Savings Plans over what is always on would take off up to {:.2} $/month for compute, {:.2} for databases",
            cost.savings["compute"], cost.savings["database"]
        )?;
        let (more, less) = if cost.containers > cost.month() {
            ("containers", "Lambda")
        } else {
            ("Lambda", "containers")
        };
        let gap = (cost.containers - cost.month()).abs();
        writeln!(
            text,
            "  with containers {:.2} $/month: {more} cost {gap:.2} $/month more than {less};",
            cost.containers
        )?;
        writeln!(
            text,
            "  four small containers would be cheaper from {:.1} million summaries a month\n",
            cost.break_even / MILLION
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_costs_more_and_each_summary_less() {
        crate::tools::python::Environment::Tools.install().unwrap();
        let costs = phases().unwrap();
        let of = |name: &str| &costs[name];
        assert!(of("startup").month() < of("growth").month() && of("growth").month() < of("scale").month());
        let page = fs::read_to_string(workspace().join("docs/deploying.md")).unwrap();
        for name in costs.keys() {
            let dollars = format!("{:.0}", of(name).month());
            let grouped = dollars.len().checked_sub(4).map_or(dollars.clone(), |_| {
                let (thousands, rest) = dollars.split_at(dollars.len() - 3);
                format!("{thousands},{rest}")
            });
            assert!(
                page.contains(&format!(" {grouped} $ for ")),
                "docs/deploying.md has another price of {name} than {grouped} $"
            );
        }
        let each = |name: &str| of(name).month() / of(name).summaries;
        assert!(each("startup") > each("growth") && each("growth") > each("scale"));
        assert!(
            costs
                .values()
                .all(|cost| cost.fixed.values().chain(cost.per_million.values()).all(|dollars| *dollars >= 0.0))
        );
    }
}
