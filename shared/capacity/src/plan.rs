//! What an operator writes down, read and checked.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    calendar::{Calendar, Entry},
    demand::Demand,
    level::Thresholds,
    lever::{Lever, State, at_least, at_most},
    prices::Prices,
    work::Work,
};

/// A capacity plan.
#[derive(Clone, Debug)]
pub struct CapacityPlan {
    /// Share of what is ready that expected demand may use.
    pub utilisation: f64,
    /// Seconds in which a backlog is to be gone.
    pub drain_seconds: f64,
    /// Dollars an hour that a desired state may cost at most.
    pub budget_dollars_per_hour: f64,
    /// Age in seconds from which signals are not believed.
    pub stale_seconds: f64,
    pub history: Seasonal,
    pub levers: BTreeMap<Lever, Bounds>,
    pub work: Work,
    pub calendar: Calendar,
    pub degradation: Thresholds,
}

/// What is made of the same hour of other weeks.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seasonal {
    /// Which of the past weeks' samples counts, from 0 (least) to 1 (most).
    pub quantile: f64,
    /// Share added to it.
    pub margin: f64,
}

/// Within what, and how fast, a lever moves.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub floor: f64,
    pub ceiling: f64,
    /// Minutes from the decision until it is in effect.
    pub lead_minutes: f64,
    /// Minutes that less must do before the lever goes down.
    pub hold_minutes: f64,
    /// Most it is multiplied by in one decision.
    pub step_up: f64,
    /// Least it is multiplied by in one decision.
    pub step_down: f64,
    /// Only multiples of this: say, the workers of one provisioned poller. If absent, what AWS takes.
    pub multiple_of: Option<f64>,
}

impl Bounds {
    pub(super) fn grain(&self, lever: Lever) -> f64 {
        self.multiple_of.unwrap_or_else(|| lever.grain())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    utilisation: Spanned<f64>,
    drain_seconds: Spanned<f64>,
    budget_dollars_per_hour: Spanned<f64>,
    stale_seconds: Spanned<f64>,
    history: Spanned<Seasonal>,
    levers: BTreeMap<Lever, Spanned<Bounds>>,
    work: Spanned<Work>,
    #[serde(default)]
    calendar: Vec<Spanned<Entry>>,
    degradation: Spanned<Thresholds>,
}

/// A plan cannot stand.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: {message}")]
pub struct PlanError {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    pub field: String,
    pub message: String,
}

/// Turns places in a text into errors.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, span: &Range<usize>, field: impl Into<String>, message: impl Into<String>) -> PlanError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        PlanError {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            field: field.into(),
            message: message.into(),
        }
    }

    /// The line of `field` in the table whose header is at `table`, else the line of the header.
    fn field(&self, table: &Range<usize>, path: &str, field: &str, message: impl Into<String>) -> PlanError {
        let inside = self.text.get(table.start..).unwrap_or_default();
        let inside = inside.split_once("\n[").map_or(inside, |(inside, _)| inside);
        let at = inside
            .match_indices(field)
            .find(|(at, _)| inside[at + field.len()..].trim_start().starts_with('='))
            .map_or(table.start, |(at, _)| table.start + at);
        self.error(&(at..at), format!("{path}.{field}"), message)
    }

    fn unreadable(&self, error: &toml::de::Error) -> PlanError {
        let span = error.span().unwrap_or(0..0);
        let start = self
            .text
            .get(..span.start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |at| at + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let field = line.split('=').next().unwrap_or_default().trim();
        let field = if field.is_empty() || field.starts_with('#') {
            "(file)"
        } else {
            field
        };
        self.error(&span, field, error.message())
    }
}

impl CapacityPlan {
    /// Reads and checks a plan; `file` is for the error. `prices` tell whether the floors fit the budget.
    ///
    /// # Errors
    /// With file, line and field, if anything is missing, unknown, of the wrong type or makes no sense.
    pub fn parse(file: &str, text: &str, prices: &Prices) -> Result<Self, PlanError> {
        let source = Source { file, text };
        let raw: Raw = toml::from_str(text).map_err(|error| source.unreadable(&error))?;
        for (value, field, least, most) in [
            (&raw.utilisation, "utilisation", 0.05, 1.0),
            (&raw.drain_seconds, "drain_seconds", 1.0, 86_400.0),
            (&raw.budget_dollars_per_hour, "budget_dollars_per_hour", 0.0, 1e6),
            (&raw.stale_seconds, "stale_seconds", 60.0, 3600.0),
        ] {
            if !(least..=most).contains(value.get_ref()) {
                let message = format!("{} is not between {least} and {most}", value.get_ref());
                return Err(source.error(&value.span(), field, message));
            }
        }
        check_tables(&source, &raw)?;
        let span = raw.budget_dollars_per_hour.span();
        let calendar = raw.calendar.into_iter().map(|entry| {
            let span = entry.span();
            entry
                .into_inner()
                .check()
                .map_err(|(field, message)| source.field(&span, "calendar", field, message))
        });
        let plan = Self {
            utilisation: raw.utilisation.into_inner(),
            drain_seconds: raw.drain_seconds.into_inner(),
            budget_dollars_per_hour: raw.budget_dollars_per_hour.into_inner(),
            stale_seconds: raw.stale_seconds.into_inner(),
            history: raw.history.into_inner(),
            levers: raw.levers.into_iter().map(|(lever, bounds)| (lever, bounds.into_inner())).collect(),
            work: raw.work.into_inner(),
            calendar: calendar.collect::<Result<_, _>>()?,
            degradation: raw.degradation.into_inner(),
        };
        let least = prices.per_hour(&plan.floors(), &plan.work);
        if least > plan.budget_dollars_per_hour {
            let message = format!("the floors alone cost up to {least:.2} $ an hour; lower them or raise the budget");
            return Err(source.error(&span, "budget_dollars_per_hour", message));
        }
        Ok(plan)
    }

    /// Every lever at its floor.
    pub fn floors(&self) -> State {
        self.levers.iter().map(|(&lever, bounds)| (lever, bounds.floor)).collect()
    }

    /// Every lever at its ceiling.
    pub fn ceilings(&self) -> State {
        self.levers.iter().map(|(&lever, bounds)| (lever, bounds.ceiling)).collect()
    }

    /// The plan, but nothing past what the deployed template allows; levers it does not name stay as they are.
    #[must_use]
    pub fn within(mut self, ceilings: &State) -> Self {
        for (lever, bounds) in &mut self.levers {
            if let Some(&ceiling) = ceilings.get(lever) {
                bounds.ceiling = at_most(bounds.ceiling.min(ceiling), bounds.grain(*lever));
                bounds.floor = bounds.floor.min(bounds.ceiling);
            }
        }
        self
    }

    /// Worker seconds of a job that nothing was measured for.
    pub(super) fn seconds_per_job(&self, lane: job::Lane) -> f64 {
        self.work.seconds_per_job[lane]
    }

    /// Demand that the plan's stores can take at a number of capacity units, jobs per minute.
    pub(super) fn commits_per_minute(&self, acus: f64) -> f64 {
        acus * self.work.jobs_per_second_per_acu * 60.0
    }
}

fn check_tables(source: &Source<'_>, raw: &Raw) -> Result<(), PlanError> {
    for (lever, bounds) in &raw.levers {
        let (path, span, bounds) = (format!("levers.{lever}"), bounds.span(), bounds.get_ref());
        let wrong = |field: &str, message: String| Err(source.field(&span, &path, field, message));
        if !(bounds.floor >= 0.0 && bounds.floor.is_finite()) {
            return wrong("floor", format!("{} is below 0", bounds.floor));
        }
        if lever.lane().is_some() && bounds.floor < 2.0 {
            return wrong("floor", "a lane has 2 workers at least: AWS takes no smaller bound".to_owned());
        }
        if !(bounds.ceiling >= bounds.floor && bounds.ceiling.is_finite()) {
            return wrong("ceiling", format!("{} is below the floor of {}", bounds.ceiling, bounds.floor));
        }
        let grain = bounds.grain(*lever);
        let whole = |value: f64, grain: f64| (at_least(value, grain) - value).abs() < 1e-6;
        if !(grain > 0.0 && whole(grain, lever.grain())) {
            return wrong("multiple_of", format!("{grain} is no multiple of {}", lever.grain()));
        }
        for (field, value) in [("floor", bounds.floor), ("ceiling", bounds.ceiling)] {
            if !whole(value, grain) {
                return wrong(field, format!("{value} is no multiple of {grain}"));
            }
        }
        for (field, minutes) in [("lead_minutes", bounds.lead_minutes), ("hold_minutes", bounds.hold_minutes)] {
            if !(0.0..=240.0).contains(&minutes) {
                return wrong(field, format!("{minutes} is not between 0 and 240 minutes"));
            }
        }
        if !(bounds.step_up > 1.0 && bounds.step_up.is_finite()) {
            return wrong("step_up", format!("{} is not above 1: the lever would never rise", bounds.step_up));
        }
        if !(0.0..1.0).contains(&bounds.step_down) {
            return wrong(
                "step_down",
                format!("{} is not between 0 and 1: the lever would never fall", bounds.step_down),
            );
        }
    }
    let (span, history) = (raw.history.span(), raw.history.get_ref());
    for (field, value, most) in [("quantile", history.quantile, 1.0), ("margin", history.margin, 10.0)] {
        if !(0.0..=most).contains(&value) {
            return Err(source.field(&span, "history", field, format!("{value} is not between 0 and {most}")));
        }
    }
    let (span, work) = (raw.work.span(), raw.work.get_ref());
    let lanes = |lanes: Demand| lanes.express.min(lanes.standard).min(lanes.bulk);
    for (field, value) in [
        ("seconds_per_job", lanes(work.seconds_per_job)),
        ("requests_per_job", work.requests_per_job),
        ("seconds_per_request", work.seconds_per_request),
        ("jobs_per_second_per_acu", work.jobs_per_second_per_acu),
        ("jobs_per_second_per_reader", work.jobs_per_second_per_reader),
        ("ecpus_per_job", work.ecpus_per_job),
        ("api_memory_mb", work.api_memory_mb),
        ("worker_memory_mb", lanes(work.worker_memory_mb)),
    ] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(source.field(&span, "work", field, "must be above 0, in every lane"));
        }
    }
    let (span, levels) = (raw.degradation.span(), raw.degradation.get_ref());
    for (field, [trim, extractive, queue]) in [("wait_seconds", levels.wait_seconds), ("failures", levels.failures)] {
        if !(0.0 < trim && trim < extractive && extractive < queue && queue.is_finite()) {
            return Err(source.field(&span, "degradation", field, "the three thresholds must rise, from above 0"));
        }
    }
    if !(levels.leave > 0.0 && levels.leave < 1.0) {
        return Err(source.field(&span, "degradation", "leave", "must be between 0 and 1"));
    }
    if !(0.0..=240.0).contains(&levels.calm_minutes) {
        return Err(source.field(&span, "degradation", "calm_minutes", "must be between 0 and 240 minutes"));
    }
    Ok(())
}
