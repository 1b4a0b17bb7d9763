//! `cargo local cost`: what a month of each phase costs, from the template's values and `infra/cost.toml`.

use std::{collections::BTreeMap, fmt::Write, fs};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    instance::workspace,
    template::{self, rules::Estate, stack::Parameters},
};

const HOURS: f64 = 730.0;
const SECONDS: f64 = HOURS * 3600.0;
const MILLION: f64 = 1e6;
const GB: f64 = 1e9;
/// Metrics that the functions emit, with their dimensions.
const METRICS: f64 = 24.0;
/// Megabytes of a function that are one vCPU.
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
    /// How full batches are.
    share_of_batch: f64,
}

/// What a phase costs: by the month, and by the million summaries.
#[derive(Debug)]
pub struct Cost {
    pub fixed: BTreeMap<&'static str, f64>,
    pub per_million: BTreeMap<&'static str, f64>,
    /// Summaries of the month.
    pub summaries: f64,
    /// Saved by a Savings Plan over the month's Lambda time.
    pub savings_plan: f64,
    /// The same month on containers that are sized for three times the mean.
    pub containers: f64,
    /// Summaries a month from which the least of those containers cost less than Lambda.
    pub break_even: f64,
}

impl Cost {
    /// Dollars a month.
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

/// Reckons all phases.
///
/// # Errors
/// If a price or a figure is missing, or a template refuses its values.
pub fn phases() -> Result<BTreeMap<String, Cost>> {
    let book: Book = toml::from_str(&fs::read_to_string(workspace().join("infra/cost.toml"))?).context("infra/cost.toml")?;
    let environments = template::environments()?;
    let phase = |name: &String| {
        let environment = environments
            .get(name)
            .with_context(|| format!("samconfig.toml has no environment {name}"))?;
        let (estate, _) = template::estate(name, environment)?;
        Ok((name.clone(), reckon(&book, &book.months[name], &environment.1, &estate)?))
    };
    book.months.keys().map(phase).collect()
}

fn reckon(book: &Book, month: &Month, parameters: &Parameters, estate: &Estate) -> Result<Cost> {
    let value = |name: &str| parameters.get(name).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
    let count = |kind: &str| estate.count(kind);
    let aurora = parameters["Database"] == "aurora";
    let stored = month.summaries * book.usage("stored_bytes")? / GB;

    let mut fixed = BTreeMap::new();
    if aurora {
        let acus = value("MinAcu") * (1.0 + value("Readers"));
        fixed.insert(
            "database",
            acus * HOURS * book.price("rds", "acu_hour")? + stored * book.price("rds", "aurora_gb_month")?,
        );
        let behind = acus.max(book.price("rds", "proxy_least_acus")?);
        fixed.insert("database proxy", behind * HOURS * book.price("rds", "proxy_acu_hour")?);
    } else {
        let storage = 20.0 * book.price("rds", "gp3_gb_month")?;
        fixed.insert("database", HOURS * book.price("rds", "instance_hour")? + storage);
        let behind = book.price("rds", "instance_vcpus")?;
        fixed.insert("database proxy", behind * HOURS * book.price("rds", "proxy_vcpu_hour")?);
    }
    if parameters["Cache"] == "cluster" {
        let nodes = value("CacheShards") * (1.0 + value("CacheReplicasPerShard"));
        fixed.insert("cache", nodes * HOURS * book.price("elasticache", "node_hour")?);
    } else {
        // A day's results stay.
        let kept = (stored / 30.0).clamp(book.price("elasticache", "least_gb")?, value("CacheMaxStorageGb"));
        fixed.insert("cache", kept * HOURS * book.price("elasticache", "gb_hour")?);
    }
    fixed.insert(
        "endpoints",
        value("AvailabilityZones") * HOURS * book.price("network", "endpoint_zone_hour")?,
    );
    let warm = value("ApiProvisioned") * value("ApiMemory") / 1024.0;
    fixed.insert("warm API", warm * SECONDS * book.price("lambda", "provisioned_gb_second")?);
    let watching = count("AWS::CloudWatch::Alarm") * book.price("cloudwatch", "alarm_month")?
        + METRICS * book.price("cloudwatch", "metric_month")?
        + book.price("cloudwatch", "dashboard_month")?;
    fixed.insert("monitoring", watching);
    fixed.insert("keys", count("AWS::KMS::Key") * book.price("kms", "key_month")?);

    let batches = 1.0 / (value("StandardBatchSize") * month.share_of_batch).max(1.0);
    let vcpus = value("StandardMemory") / VCPU_MEGABYTES;
    let engine = book.usage("engine_milliseconds_per_vcpu")? / vcpus.min(1.0);
    let worker = (batches * book.usage("worker_milliseconds_per_batch")? + engine) * value("StandardMemory");
    let api = book.usage("api_requests")? * book.usage("api_milliseconds")? * value("ApiMemory");
    let gb_seconds = (worker + api) / 1000.0 / 1024.0;
    let invocations = batches + book.usage("api_requests")?;
    let compute = gb_seconds * book.price("lambda", "gb_second")? * MILLION;
    let logs = (book.usage("api_requests")? * book.usage("log_bytes_per_request")? + book.usage("log_bytes_per_job")?) / GB * MILLION;
    let per_million = BTreeMap::from([
        ("Lambda time", compute),
        ("Lambda requests", invocations * book.price("lambda", "million_requests")?),
        (
            "API Gateway",
            book.usage("api_requests")? * book.price("api_gateway", "million_requests")?,
        ),
        (
            "SQS",
            (book.usage("sqs_sends")? + batches * book.usage("sqs_per_batch")?) * book.price("sqs", "million_requests")?,
        ),
        (
            "DynamoDB",
            book.usage("ledger_writes")? * book.price("dynamodb", "million_writes")?
                + book.usage("ledger_reads")? * book.price("dynamodb", "million_reads")?,
        ),
        (
            "cache units",
            if parameters["Cache"] == "cluster" {
                0.0
            } else {
                book.usage("ecpus")? * book.price("elasticache", "million_ecpu")?
            },
        ),
        (
            "database I/O",
            if aurora {
                batches * book.usage("database_ios_per_batch")? * book.price("rds", "million_ios")?
            } else {
                0.0
            },
        ),
        ("logs", logs * book.price("cloudwatch", "gb_logs")?),
    ]);

    // The containers of the same work: two API tasks and two workers at least, more for three times the mean.
    let busy = |milliseconds: f64| 3.0 * month.summaries * milliseconds / 1000.0 / SECONDS;
    let workers = (busy(batches * book.usage("worker_milliseconds_per_batch")? + engine) / 8.0)
        .ceil()
        .max(2.0);
    let servers = (busy(book.usage("api_requests")? * book.usage("api_milliseconds")?) / 32.0)
        .ceil()
        .max(2.0);
    let task = book.price("fargate", "vcpu_hour")? + 2.0 * book.price("fargate", "gb_hour")?;
    let instead = ["Lambda time", "Lambda requests", "API Gateway"]
        .iter()
        .map(|name| per_million[name])
        .sum::<f64>();
    let mut cost = Cost {
        fixed,
        per_million,
        summaries: month.summaries,
        savings_plan: compute * month.summaries / MILLION * book.price("lambda", "savings_plan_discount")?,
        containers: 0.0,
        break_even: 0.0,
    };
    let least = 4.0 * HOURS * task + HOURS * book.price("fargate", "balancer_hour")? - cost.fixed["warm API"];
    cost.break_even = least.max(0.0) / instead * MILLION;
    let running = (workers + servers) * HOURS * task + HOURS * book.price("fargate", "balancer_hour")?;
    cost.containers = cost.month() - instead * month.summaries / MILLION - cost.fixed["warm API"] + running;
    Ok(cost)
}

/// The table that `cargo local cost` prints.
///
/// # Errors
/// As [`phases`].
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
            "  a Savings Plan over the base would take off up to {:.2} $/month",
            cost.savings_plan
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
            "  four small ones would pay from {:.1} million summaries a month\n",
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
        crate::python::Environment::Tools.install().unwrap();
        let costs = phases().unwrap();
        let of = |name: &str| &costs[name];
        assert!(of("startup").month() < of("growth").month() && of("growth").month() < of("scale").month());
        let each = |name: &str| of(name).month() / of(name).summaries;
        assert!(each("startup") > each("growth") && each("growth") > each("scale"));
        assert!(
            costs
                .values()
                .all(|cost| cost.fixed.values().chain(cost.per_million.values()).all(|dollars| *dollars >= 0.0))
        );
    }
}
