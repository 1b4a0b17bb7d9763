//! Charts of simulated days.

use std::path::Path;

use plotters::{coord::Shift, prelude::*};
use shared::capacity::simulation::{Day, Minute};

/// Width and height of a chart in pixels.
const SIZE: (u32, u32) = (960, 900);
/// Minutes that one point of a chart stands for.
const POINT: usize = 5;

type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

/// A line of a panel: its name, its colour, its values minute by minute.
type Line = (String, RGBColor, Vec<f64>);

/// Draws one chart with four panels: demand and capacity of the plan, the age of the oldest
/// message, the service level, and the cost.
pub(super) fn draw(file: &Path, trace: &str, days: &[Day]) -> Drawn<()> {
    let of = |day: &Day, value: fn(&Minute) -> f64| day.minutes.iter().map(value).collect::<Vec<_>>();
    let everyone = |value: fn(&Minute) -> f64| -> Vec<Line> {
        let lines = days.iter().zip([BLUE, RED, BLACK, GREEN]);
        lines
            .map(|(day, colour)| (day.policy.to_string(), colour, of(day, value)))
            .collect()
    };
    let of_plan = days.first().ok_or("there is no day to draw")?;
    let panels = [
        (
            "jobs a minute",
            vec![
                ("demand".to_owned(), RED, of(of_plan, |minute| minute.demand)),
                ("the plan's capacity".to_owned(), BLUE, of(of_plan, |minute| minute.capacity)),
            ],
        ),
        ("oldest message, seconds", everyone(|minute| minute.backlog_age)),
        (
            "service level",
            vec![("plan".to_owned(), BLUE, of(of_plan, |minute| f64::from(u8::from(minute.level))))],
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
    // The plan is drawn last, on top of the other policies.
    for (name, colour, values) in lines.iter().rev() {
        // The highest value of each few minutes, because a mean would hide short peaks.
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
