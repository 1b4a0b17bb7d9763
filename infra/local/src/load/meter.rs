//! What a load run uses: processor time and memory of each process, and the work of the stores.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System as Machine};

use super::system::System;

/// What was used between the start and the end of a run.
#[derive(Default, Serialize)]
pub(super) struct Used {
    /// Milliseconds of processor time by program.
    pub(super) processor: BTreeMap<String, u64>,
    /// The most memory at a time, in bytes, by program.
    pub(super) memory: BTreeMap<String, u64>,
    pub(super) transactions: i64,
    pub(super) statements: i64,
    /// Commands of Valkey.
    pub(super) commands: u64,
    /// Calls of SQS and S3 by their names.
    pub(super) calls: BTreeMap<String, u64>,
}

/// The counters of the stores at a moment.
#[derive(Default)]
struct Counters {
    transactions: i64,
    statements: i64,
    commands: u64,
    calls: BTreeMap<String, u64>,
}

pub(super) struct Meter<'a> {
    system: Option<&'a System>,
    machine: Machine,
    before: Counters,
    processor_before: BTreeMap<String, u64>,
    memory: BTreeMap<String, u64>,
}

impl<'a> Meter<'a> {
    pub(super) async fn start(system: Option<&'a System>) -> Result<Self> {
        let mut meter = Self {
            system,
            machine: Machine::new(),
            before: Counters::default(),
            processor_before: BTreeMap::new(),
            memory: BTreeMap::new(),
        };
        if let Some(system) = system {
            meter.before = counters(system).await?;
        }
        meter.processor_before = meter.tick();
        Ok(meter)
    }

    /// Looks at the memory now. Returns the processor time so far, in milliseconds by program.
    pub(super) fn tick(&mut self) -> BTreeMap<String, u64> {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.machine.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let (mut processor, mut memory): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        for (id, process) in self.machine.processes() {
            // A thread is listed as a process of its own.
            if process.thread_kind().is_some() {
                continue;
            }
            if let Some(program) = self.program(*id) {
                *processor.entry(program.clone()).or_default() += process.accumulated_cpu_time();
                *memory.entry(program).or_default() += process.memory();
            }
        }
        for (program, bytes) in memory {
            let most = self.memory.entry(program).or_default();
            *most = bytes.max(*most);
        }
        processor
    }

    /// The name of the program that a process belongs to.
    fn program(&self, id: Pid) -> Option<String> {
        if id.as_u32() == std::process::id() {
            return Some("load".to_owned());
        }
        let programs = self.system?.programs();
        let of = |id: Pid| programs.get(&id.as_u32()).cloned();
        // The connections of PostgreSQL are children of its first process.
        of(id).or_else(|| of(self.machine.process(id)?.parent()?).filter(|program| program == "postgres"))
    }

    pub(super) async fn end(mut self) -> Result<Used> {
        let mut processor = self.tick();
        for (program, before) in &self.processor_before {
            if let Some(time) = processor.get_mut(program) {
                *time = time.saturating_sub(*before);
            }
        }
        let mut used = Used {
            processor,
            memory: self.memory,
            ..Used::default()
        };
        if let Some(system) = self.system {
            let after = counters(system).await?;
            used.transactions = after.transactions - self.before.transactions;
            used.statements = after.statements - self.before.statements;
            used.commands = after.commands - self.before.commands;
            for (call, count) in after.calls {
                let count = count - self.before.calls.get(&call).copied().unwrap_or_default();
                if count > 0 {
                    used.calls.insert(call, count);
                }
            }
        }
        Ok(used)
    }
}

async fn counters(system: &System) -> Result<Counters> {
    let mut database = PgConnection::connect(&system.database_url).await?;
    let transactions = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let statements = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query NOT ILIKE ALL ('{begin%,commit%}')";
    let transactions = sqlx::query_scalar(transactions).fetch_one(&mut database).await?;
    let statements = sqlx::query_scalar(statements).fetch_one(&mut database).await?;
    let mut valkey = redis::Client::open(system.valkey_url.as_str())?
        .get_multiplexed_async_connection()
        .await?;
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut valkey).await?;
    let commands = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    let calls: BTreeMap<String, Value> = reqwest::get(format!("{}/_calls", system.aws_url)).await?.json().await?;
    Ok(Counters {
        transactions,
        statements,
        commands: commands.and_then(|count| count.trim().parse().ok()).unwrap_or_default(),
        calls: calls
            .into_iter()
            .filter_map(|(call, count)| Some((call, count.as_u64()?)))
            .collect(),
    })
}
