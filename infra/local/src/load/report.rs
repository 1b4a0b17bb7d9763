//! What a load run has shown.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{meter::Used, outcome::Outcome, schedule::Schedule, settings::Load, system::Audit};

/// A processor is full if so much of it is used.
const FULL: f64 = 0.9;
const MEGABYTE: u64 = 1024 * 1024;

/// What a load run has shown. Times are in milliseconds.
#[derive(Serialize)]
pub struct Report {
    target: String,
    schedule: Schedule,
    words: usize,
    long_every: usize,
    repeated_of_100: u8,
    seed: u64,
    tenants: usize,
    priorities: Vec<String>,
    processors: usize,
    /// Seconds until the last submission, and until the last job had ended.
    submitted_for: f64,
    took: f64,
    submissions: usize,
    /// How many submissions ended in which way.
    ends: BTreeMap<String, usize>,
    known_results: usize,
    /// Jobs that succeeded, for each minute until the last one had ended.
    succeeded_per_minute: f64,
    /// By stage: from the planned moment until accepted, done by the job's own account, and seen; from the
    /// creation until a worker began; and the work itself. `known` is a submission whose result was known.
    latency: BTreeMap<&'static str, Latency>,
    /// Milliseconds of processor time for each job, by program.
    processor_per_job: BTreeMap<String, f64>,
    /// The most memory by program, in MiB.
    memory: BTreeMap<String, u64>,
    /// How often the client has read a job before its end.
    reads_per_job: f64,
    transactions_per_job: f64,
    statements_per_job: f64,
    valkey_commands_per_job: f64,
    /// Calls of SQS and S3 for each job, by their names.
    calls_per_job: BTreeMap<String, f64>,
    bottleneck: String,
    audit: Option<Audit>,
}

/// Some quantiles.
#[derive(Serialize)]
struct Latency {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    most: f64,
}

impl Latency {
    fn of(times: impl Iterator<Item = Duration>) -> Option<Self> {
        // Microseconds with three digits, up to an hour.
        let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 3_600_000_000, 3).ok()?;
        for time in times {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
        }
        #[expect(clippy::cast_precision_loss, reason = "an hour of microseconds fits exactly")]
        let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            most: milliseconds(histogram.max()),
        })
    }
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run fit exactly")]
    pub(super) fn of(
        load: &Load,
        outcomes: &[Outcome],
        reads: u64,
        submitted: Duration,
        took: Duration,
        used: &Used,
        audit: Option<Audit>,
    ) -> Self {
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in outcomes {
            *ends.entry(outcome.end.clone()).or_default() += 1;
        }
        let succeeded = ends.get("succeeded").copied().unwrap_or_default();
        let new = || outcomes.iter().filter(|outcome| outcome.end == "succeeded" && !outcome.is_known);
        let known = outcomes.iter().filter(|outcome| outcome.is_known).count();
        let stages = [
            ("accepted", Latency::of(new().map(|outcome| outcome.accepted))),
            ("waited", Latency::of(new().map(|outcome| outcome.waited))),
            ("worked", Latency::of(new().map(|outcome| outcome.worked))),
            ("done", Latency::of(new().map(|outcome| outcome.done))),
            ("seen", Latency::of(new().map(|outcome| outcome.seen))),
            (
                "known",
                Latency::of(outcomes.iter().filter(|outcome| outcome.is_known).map(|outcome| outcome.accepted)),
            ),
        ];
        let jobs = succeeded.max(1) as f64;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let bottleneck = bottleneck(used, took, processors);
        Self {
            target: load.url.clone(),
            schedule: load.schedule.clone(),
            words: load.words,
            long_every: load.long_every,
            repeated_of_100: load.repeated,
            seed: load.seed,
            tenants: load.keys.len(),
            priorities: load.priorities.clone(),
            processors,
            submitted_for: submitted.as_secs_f64(),
            took: took.as_secs_f64(),
            submissions: outcomes.len(),
            succeeded_per_minute: succeeded as f64 / took.as_secs_f64() * 60.0,
            ends,
            known_results: known,
            latency: stages.into_iter().filter_map(|(stage, latency)| Some((stage, latency?))).collect(),
            processor_per_job: used
                .processor
                .iter()
                .map(|(program, time)| (program.clone(), *time as f64 / jobs))
                .collect(),
            memory: used
                .memory
                .iter()
                .map(|(program, bytes)| (program.clone(), bytes / MEGABYTE))
                .collect(),
            reads_per_job: reads as f64 / jobs,
            transactions_per_job: used.transactions as f64 / jobs,
            statements_per_job: used.statements as f64 / jobs,
            valkey_commands_per_job: used.commands as f64 / jobs,
            calls_per_job: used
                .calls
                .iter()
                .map(|(call, count)| (call.clone(), *count as f64 / jobs))
                .collect(),
            bottleneck,
            audit,
        }
    }

    /// Whether every submission was accepted and has succeeded once.
    ///
    /// # Errors
    /// If not. The message says what is wrong.
    pub fn check(&self) -> Result<()> {
        if self.ends.keys().any(|end| end != "succeeded") {
            return Err(anyhow!("not every submission has succeeded: {:?}", self.ends));
        }
        self.audit.as_ref().map_or(Ok(()), Audit::check)
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// Never, because it has no maps with other keys than texts.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// Names what has kept the run from being faster.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of one run fit exactly")]
fn bottleneck(used: &Used, took: Duration, processors: usize) -> String {
    if used.processor.len() < 2 {
        return "unknown, because the service does not run on this machine".to_owned();
    }
    let all = used.processor.values().sum::<u64>() as f64 / 1000.0 / took.as_secs_f64();
    let most = used.processor.iter().max_by_key(|(_, time)| **time);
    let (program, time) = most.map_or(("nothing", 0), |(program, time)| (program.as_str(), *time));
    let part = time as f64 / 1000.0 / took.as_secs_f64();
    if all > FULL * processors as f64 {
        format!("the processors: {all:.2} of {processors} were used, {part:.2} of them by {program}")
    } else {
        format!("none of this machine: {all:.2} of {processors} processors were used, {part:.2} of them by {program}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} submissions in {:.1} s; all had ended after {:.1} s; {:.0} succeeded a minute",
            self.submissions, self.submitted_for, self.took, self.succeeded_per_minute
        )?;
        writeln!(f, "ends: {:?}; {} results were known", self.ends, self.known_results)?;
        writeln!(
            f,
            "\n{:10} {:>8} {:>9} {:>9} {:>9} {:>9}",
            "stage", "count", "p50 ms", "p90 ms", "p99 ms", "most ms"
        )?;
        for (stage, latency) in &self.latency {
            let Latency {
                count,
                p50,
                p90,
                p99,
                most,
            } = latency;
            writeln!(f, "{stage:10} {count:8} {p50:9.1} {p90:9.1} {p99:9.1} {most:9.1}")?;
        }
        writeln!(f, "\n{:10} {:>16} {:>12}", "program", "ms of CPU a job", "most MiB")?;
        for (program, time) in &self.processor_per_job {
            writeln!(
                f,
                "{program:10} {time:16.3} {:12}",
                self.memory.get(program).copied().unwrap_or_default()
            )?;
        }
        writeln!(
            f,
            "\nfor each job: {:.2} reads by the client, {:.3} transactions, {:.3} statements, {:.2} commands of Valkey",
            self.reads_per_job, self.transactions_per_job, self.statements_per_job, self.valkey_commands_per_job
        )?;
        for (call, count) in &self.calls_per_job {
            writeln!(f, "{call:24} {count:8.3} a job")?;
        }
        writeln!(f, "\nwhat kept it from being faster: {}", self.bottleneck)?;
        match &self.audit {
            Some(audit) => write!(f, "audit: {audit}"),
            None => write!(f, "audit: every accepted job was read until its end; the stores were not read"),
        }
    }
}
