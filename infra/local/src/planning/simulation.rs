//! `cargo local capacity simulate`: simulated days of demand, each with the capacity plan and with
//! three other policies.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use shared::capacity::{
    CapacityPlan, Prices,
    simulation::{Policy, Trace, run, table},
};

use super::charts::draw;
use crate::progress::Step;

const PRICES: &str = include_str!("../../../cost.toml");
/// Simulates the traces, or all built-in ones if none is named. It draws one chart of each into the
/// folder `charts` and returns the table of results.
///
/// # Errors
/// If the plan or a trace cannot be read, or a chart cannot be written.
pub fn simulate(plan: &Path, traces: &[String], charts: &Path) -> Result<String> {
    let prices = Prices::parse(PRICES)?;
    let text = fs::read_to_string(plan).with_context(|| format!("cannot read {}", plan.display()))?;
    let plan = CapacityPlan::parse(&plan.to_string_lossy(), &text, &prices)?;
    let built_in = Trace::NAMES.map(str::to_owned);
    let names = if traces.is_empty() { built_in.as_slice() } else { traces };
    let traces = names.iter().map(|name| trace(name, &plan)).collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(charts).with_context(|| format!("cannot make {}", charts.display()))?;
    let mut days = Vec::new();
    for trace in &traces {
        let step = Step::begin(format!("{}: a day with {} policies", trace.name, Policy::ALL.len()));
        let days_of_trace = Policy::ALL.map(|policy| run(trace, &plan, &prices, policy));
        let name = Path::new(&trace.name).file_stem().unwrap_or_default();
        let file = charts.join(name).with_extension("svg");
        draw(&file, &trace.name, &days_of_trace).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))?;
        days.extend(days_of_trace.map(|day| (trace, day)));
        step.done();
    }
    Ok(table(days.iter().map(|(trace, day)| (*trace, day))))
}

fn trace(name: &str, plan: &CapacityPlan) -> Result<Trace> {
    if let Some(trace) = Trace::built_in(name, plan) {
        return Ok(trace);
    }
    let text = fs::read_to_string(name)
        .with_context(|| format!("{name} is neither a file that can be read nor one of {}", Trace::NAMES.join(", ")))?;
    Ok(Trace::parse(name, &text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::{local, workspace};

    #[test]
    fn a_day_from_a_file_gives_a_table_and_a_chart() {
        let dir = std::env::temp_dir().join(format!("capacity-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let trace = dir.join("noon.csv");
        fs::write(&trace, "minute,express,standard,bulk\n720,60,600,10\n721,60,600,10\n").unwrap();
        let growth = workspace().join("infra/capacity/growth.toml");
        let name = trace.to_str().unwrap().to_owned();
        let table = simulate(&growth, std::slice::from_ref(&name), &dir).unwrap();
        let chart = fs::read_to_string(dir.join("noon.svg")).unwrap();
        let unknown = simulate(&growth, &["rush-hour".to_owned()], &dir).unwrap_err().to_string();
        let no_plan = simulate(&trace, &[name], &dir).unwrap_err().to_string();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(table.lines().count(), 2 + Policy::ALL.len(), "{table}");
        assert!(chart.starts_with("<svg") && chart.matches("<polyline").count() > 4, "{chart}");
        assert!(unknown.contains("rush-hour is neither a file"), "{unknown}");
        assert!(no_plan.contains("noon.csv:1: "), "{no_plan}");
    }

    #[test]
    fn documented_charts_are_what_is_drawn() {
        let folder = workspace().join("infra/capacity");
        let documented = |name: &str| folder.join("charts").join(name).with_extension("svg");
        let names = ["flash-crowd", "launch-spike", "noisy-tenant", "office-day"];
        let drawn = local().join("charts");
        simulate(&folder.join("scale.toml"), &names.map(str::to_owned), &drawn).unwrap();
        for name in names {
            let new = fs::read_to_string(drawn.join(name).with_extension("svg")).unwrap();
            if std::env::var_os("UPDATE_CAPACITY").is_some() {
                fs::write(documented(name), &new).unwrap();
            }
            let known = fs::read_to_string(documented(name)).unwrap();
            assert!(
                known == new,
                "the chart of {name} is out of date: run UPDATE_CAPACITY=1 cargo test --lib"
            );
        }
    }
}
