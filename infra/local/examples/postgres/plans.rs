//! Reads the plans that PostgreSQL has logged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

/// A statement as it was run.
pub(crate) struct Run {
    /// Its first words.
    pub(crate) statement: String,
    /// The kinds of scans, with the tables that they have read.
    pub(crate) scans: BTreeMap<String, BTreeSet<String>>,
    /// How many pages it has touched.
    pub(crate) buffers: u64,
    pub(crate) milliseconds: f64,
}

impl Run {
    fn of(plan: &Value, milliseconds: f64) -> Self {
        let text = plan["Query Text"].as_str().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let statement: String = words.join(" ").chars().take(60).collect();
        let mut scans = BTreeMap::new();
        collect(&plan["Plan"], &mut scans);
        let pages = |name: &str| plan["Plan"][name].as_u64().unwrap_or_default();
        Self {
            statement: statement.replace('|', "\\|"),
            scans,
            buffers: pages("Shared Hit Blocks") + pages("Shared Read Blocks"),
            milliseconds,
        }
    }

    /// The scans in words.
    pub(crate) fn described(&self) -> String {
        let scans = self.scans.iter().map(|(kind, tables)| {
            let months = tables.iter().filter(|table| table.starts_with("summaries_")).count();
            let others = tables.iter().filter(|table| !table.starts_with("summaries_")).map(String::as_str);
            let months = (months > 0).then(|| format!("`summaries` ({months} partitions)").replace("(1 partitions)", "(1 partition)"));
            let tables: Vec<String> = months.into_iter().chain(others.map(|table| format!("`{table}`"))).collect();
            format!("{kind} of {}", tables.join(", "))
        });
        let scans: Vec<String> = scans.collect();
        if scans.is_empty() { "none".to_owned() } else { scans.join("; ") }
    }
}

fn collect(plan: &Value, scans: &mut BTreeMap<String, BTreeSet<String>>) {
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let is_empty = kind == "Seq Scan" && number("Actual Rows") + number("Rows Removed by Filter") < 1.0;
    let is_run = number("Actual Loops") > 0.0 && !is_empty;
    let table = plan["Relation Name"].as_str();
    if let Some(table) = table.filter(|_| is_run && kind.ends_with("Scan")) {
        let kind = if kind == "Bitmap Heap Scan" { "Bitmap Index Scan" } else { kind };
        scans.entry(kind.to_lowercase()).or_default().insert(table.to_owned());
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        collect(part, scans);
    }
}

/// The statements in a part of the log of a server that loads `auto_explain`.
pub(crate) fn read(log: &str) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(milliseconds) = line.strip_suffix("ms  plan:").and_then(|line| line.split("duration: ").nth(1)) else {
            continue;
        };
        let mut json = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            json.push_str(line.trim_start());
        }
        runs.push(Run::of(&serde_json::from_str(&json)?, milliseconds.trim().parse()?));
    }
    Ok(runs)
}
