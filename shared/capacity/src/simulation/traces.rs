//! Traces of a day's demand. They are built in, or read from a CSV file.

use std::f64::consts::PI;

use super::day::{MINUTES, midnight};
use crate::{
    demand::Demand,
    lever::Lever,
    plan::CapacityPlan,
    signals::{HISTORY_STEP_MINUTES, History},
};
use job::PerLane;

/// The jobs of each minute of a day, and what was known about the day before.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The name of the trace.
    pub name: String,
    minutes: Vec<Demand>,
    /// The jobs of each minute on the same day of past weeks.
    past: Vec<Demand>,
    /// The demand that is announced in the calendar.
    announcement: Option<Demand>,
}

/// A CSV trace cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct TraceError {
    file: String,
    /// The line of the mistake, counted from 1.
    line: usize,
    message: String,
}

/// The time of the launch in `launch-spike`, in minutes of the day.
const LAUNCH: std::ops::Range<usize> = 18 * 60..19 * 60 + 30;

impl Trace {
    /// The names of the built-in traces.
    pub const NAMES: [&'static str; 6] = ["flat", "office-day", "launch-spike", "flash-crowd", "noisy-tenant", "silent-night"];

    /// A built-in trace with a size that fits a plan. Its highest minute is 70 % of what Aurora at
    /// its ceiling can commit. Returns `None` if there is no trace with this name.
    pub fn built_in(name: &str, plan: &CapacityPlan) -> Option<Self> {
        let acus = plan.levers.get(&Lever::Acus).map_or(1.0, |bounds| bounds.ceiling);
        let peak = 0.7 * plan.commits_per_minute(acus);
        let mix = PerLane {
            express: 0.15,
            standard: 0.75,
            bulk: 0.1,
        };
        let day = |share: &dyn Fn(f64) -> f64| -> Vec<Demand> {
            (0..MINUTES).map(|minute| mix.times(peak * share(minute as f64 / 60.0))).collect()
        };
        // The demand follows the working hours of one continent, with some demand in the evening
        // from another.
        let office = |hour: f64| {
            let bell = |middle: f64, width: f64| (-((hour - middle) / width).powi(2)).exp();
            0.02 + 0.33 * bell(10.5, 2.0) + 0.35 * bell(15.0, 2.2) + 0.08 * bell(20.5, 2.0)
        };
        let calm = |hour: f64| 0.06 + 0.03 * (PI * (hour - 8.0) / 12.0).sin();
        let (minutes, past, announcement) = match name {
            "flat" => (day(&|_| 0.2), day(&|_| 0.2), None),
            // The day differs a little from the past ones.
            "office-day" => (day(&|hour| 1.1 * office(hour - 0.2)), day(&office), None),
            "launch-spike" => {
                let launch = |hour: f64| {
                    if LAUNCH.contains(&((hour * 60.0).round() as usize)) {
                        0.8
                    } else {
                        0.0
                    }
                };
                (day(&|hour| calm(hour) + launch(hour)), day(&calm), Some(mix.times(peak * 0.8)))
            }
            "flash-crowd" => {
                let crowd = |hour: f64| {
                    if (13.0..13.5).contains(&hour) {
                        0.5 * (1.0 - (hour - 13.0))
                    } else {
                        0.0
                    }
                };
                (day(&|hour| calm(hour) + crowd(hour)), day(&calm), None)
            }
            "noisy-tenant" => {
                let mut minutes = day(&|hour| 0.5 * office(hour));
                // One tenant submits many jobs to the bulk lane.
                for demand in &mut minutes[11 * 60..12 * 60 + 30] {
                    demand.bulk += 0.6 * peak;
                }
                (minutes, day(&|hour| 0.5 * office(hour)), None)
            }
            "silent-night" => {
                let shop = |hour: f64| {
                    if (7.0..21.0).contains(&hour) {
                        0.3 * (PI * (hour - 7.0) / 14.0).sin()
                    } else {
                        0.0
                    }
                };
                (day(&shop), day(&shop), None)
            }
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            minutes,
            past,
            announcement,
        })
    }

    /// Reads a trace from CSV. Each line has `minute,express,standard,bulk`: a minute of the day,
    /// and the jobs of each lane in that minute. Minutes that are left out have no jobs. The past
    /// weeks are assumed to be the same.
    ///
    /// # Errors
    /// If a line has another form. The error names the line.
    pub fn parse(file: &str, text: &str) -> Result<Self, TraceError> {
        let mut minutes = vec![Demand::default(); MINUTES];
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let error = |line: usize, message: String| TraceError {
            file: file.to_owned(),
            line: line + 1,
            message,
        };
        match lines.next() {
            Some((_, "minute,express,standard,bulk")) => {}
            _ => return Err(error(0, "the first line must be minute,express,standard,bulk".to_owned())),
        }
        for (number, line) in lines {
            let cells: Result<Vec<f64>, _> = line.split(',').map(|cell| cell.trim().parse()).collect();
            let Ok(&[minute, express, standard, bulk]) = cells.as_deref() else {
                return Err(error(number, format!("`{line}` is not four numbers")));
            };
            if minute.fract() != 0.0 || !(0.0..MINUTES as f64).contains(&minute) {
                return Err(error(number, format!("{minute} is not a minute of the day (0 to {})", MINUTES - 1)));
            }
            let demand = PerLane { express, standard, bulk };
            if [express, standard, bulk].iter().any(|jobs| !jobs.is_finite() || *jobs < 0.0) {
                return Err(error(number, "the numbers of jobs must be 0 or more".to_owned()));
            }
            minutes[minute as usize] = demand;
        }
        Ok(Self {
            name: file.to_owned(),
            past: minutes.clone(),
            minutes,
            announcement: None,
        })
    }

    /// The jobs per minute in a minute of the day.
    pub(super) fn at(&self, minute: usize) -> Demand {
        self.minutes.get(minute).copied().unwrap_or_default()
    }

    /// The plan with the demand that is announced for this day.
    pub(super) fn announced_in(&self, plan: &CapacityPlan) -> CapacityPlan {
        let mut plan = plan.clone();
        if let Some(demand) = self.announcement {
            let moment = |minute: usize| jiff::civil::time((minute / 60) as i8, (minute % 60) as i8, 0, 0);
            plan.calendar
                .announce("launch", midnight(), moment(LAUNCH.start)..moment(LAUNCH.end), demand);
        }
        plan
    }

    /// A history of four past weeks, each a little different.
    pub(super) fn history(&self) -> History {
        let step = HISTORY_STEP_MINUTES as usize;
        let week = |factor: f64| -> Vec<Demand> {
            let next_day = self.past.iter().take(240);
            let minutes: Vec<&Demand> = self.past.iter().chain(next_day).collect();
            minutes.chunks(step).map(|minutes| minutes[0].times(factor)).collect()
        };
        History {
            from: midnight(),
            weeks: [1.0, 0.9, 1.05, 0.95].map(week).into(),
        }
    }
}
