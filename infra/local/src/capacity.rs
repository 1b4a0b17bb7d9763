//! `cargo local capacity simulate`: days of demand, lived through with a plan and with three other policies.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use plotters::{coord::Shift, prelude::*};
use shared::capacity::{
    Plan, Prices,
    simulation::{Day, Minute, Policy, Trace, run, table},
};

use crate::progress::Step;

const PRICES: &str = include_str!("../../cost.toml");
/// Pixels of a chart.
const SIZE: (u32, u32) = (960, 900);
/// Minutes that one point of a chart stands for.
const POINT: usize = 5;

/// Lives through the traces (all built-in ones, if none is named), draws one chart of each into `charts`, and gives the table.
///
/// # Errors
/// If the plan or a trace cannot be read, or a chart cannot be written.
pub fn simulate(plan: &Path, traces: &[String], charts: &Path) -> Result<String> {
    let prices = Prices::parse(PRICES)?;
    let text = fs::read_to_string(plan).with_context(|| format!("cannot read {}", plan.display()))?;
    let plan = Plan::parse(&plan.to_string_lossy(), &text, &prices)?;
    let built_in = Trace::NAMES.map(str::to_owned);
    let names = if traces.is_empty() { built_in.as_slice() } else { traces };
    let traces = names.iter().map(|name| trace(name, &plan)).collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(charts).with_context(|| format!("cannot make {}", charts.display()))?;
    let mut days = Vec::new();
    for trace in &traces {
        let step = Step::begin(format!("{}: a day with {} policies", trace.name, Policy::ALL.len()));
        let lived = Policy::ALL.map(|policy| run(trace, &plan, &prices, policy));
        let name = Path::new(&trace.name).file_stem().unwrap_or_default();
        let file = charts.join(name).with_extension("svg");
        draw(&file, &trace.name, &lived).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))?;
        days.extend(lived.map(|day| (trace, day)));
        step.done();
    }
    Ok(table(days.iter().map(|(trace, day)| (*trace, day))))
}

fn trace(name: &str, plan: &Plan) -> Result<Trace> {
    if let Some(trace) = Trace::built_in(name, plan) {
        return Ok(trace);
    }
    let text = fs::read_to_string(name)
        .with_context(|| format!("{name} is neither a file that can be read nor one of {}", Trace::NAMES.join(", ")))?;
    Ok(Trace::parse(name, &text)?)
}

type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

/// A line of a panel: its name, its colour, its values minute by minute.
type Line = (String, RGBColor, Vec<f64>);

/// Demand and what ours could take, the oldest message, the level, and what it costs.
fn draw(file: &Path, trace: &str, days: &[Day]) -> Drawn<()> {
    let of = |day: &Day, value: fn(&Minute) -> f64| day.minutes.iter().map(value).collect::<Vec<_>>();
    let everyone = |value: fn(&Minute) -> f64| -> Vec<Line> {
        let lines = days.iter().zip([BLUE, RED, BLACK, GREEN]);
        lines
            .map(|(day, colour)| (day.policy.to_string(), colour, of(day, value)))
            .collect()
    };
    let ours = days.first().ok_or("there is no day to draw")?;
    let panels = [
        (
            "jobs a minute",
            vec![
                ("demand".to_owned(), RED, of(ours, |minute| minute.demand)),
                ("the plan's capacity".to_owned(), BLUE, of(ours, |minute| minute.capacity)),
            ],
        ),
        ("oldest message, seconds", everyone(|minute| minute.backlog_age)),
        (
            "level of service",
            vec![("plan".to_owned(), BLUE, of(ours, |minute| f64::from(u8::from(minute.level))))],
        ),
        ("$ an hour", everyone(|minute| minute.cost)),
    ];
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.titled(trace, ("sans-serif", 20))?.split_evenly((panels.len(), 1));
    for (area, (title, lines)) in areas.iter().zip(&panels) {
        panel(area, title, lines)?;
    }
    root.present()?;
    Ok(())
}

fn panel(area: &DrawingArea<SVGBackend<'_>, Shift>, title: &str, lines: &[Line]) -> Drawn<()> {
    let most = lines.iter().flat_map(|(_, _, values)| values).copied().fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 14))
        .margin(6)
        .margin_right(24)
        .x_label_area_size(18)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..24.0, 0.0..most * 1.08)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(13)
        .x_label_formatter(&|hour| format!("{hour:.0}:00"))
        .y_labels(5)
        .draw()?;
    // Ours comes last, on top of the others.
    for (name, colour, values) in lines.iter().rev() {
        // The worst of each few minutes: nothing that happened is smoothed away.
        let points = values
            .chunks(POINT)
            .zip((0_u16..).step_by(POINT))
            .map(|(values, minute)| (f64::from(minute) / 60.0, values.iter().copied().fold(0.0, f64::max)));
        chart
            .draw_series(LineSeries::new(points, colour))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], *colour));
    }
    if lines.len() > 1 {
        chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{local, workspace};

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
                "the chart of {name} is out of date: run UPDATE_CAPACITY=1 cargo test -p local --lib"
            );
        }
    }
}
