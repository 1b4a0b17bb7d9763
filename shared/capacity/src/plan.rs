//! Reads and checks the capacity plan that an operator writes.

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

/// A capacity plan. `infra/capacity/README.md` explains its fields.
#[derive(Clone, Debug)]
pub struct CapacityPlan {
    /// The share of the ready capacity that the expected demand may use.
    pub utilisation: f64,
    /// In how many seconds a lane backlog must be gone.
    pub drain_seconds: f64,
    /// The most dollars an hour that a desired state may cost.
    pub budget_dollars_per_hour: f64,
    /// The age in seconds from which signals are not used.
    pub stale_seconds: f64,
    pub history: Seasonal,
    pub levers: BTreeMap<Lever, Bounds>,
    pub work: Work,
    pub calendar: Calendar,
    pub degradation: Thresholds,
}

/// How the demand is estimated from the same hour of other weeks.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seasonal {
    /// Which of the samples of the past weeks is taken, from 0 (the smallest) to 1 (the largest).
    pub quantile: f64,
    /// The share that is added to that sample.
    pub margin: f64,
}

/// The bounds of a lever, and how fast it may change.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub floor: f64,
    pub ceiling: f64,
    /// How many minutes a decision needs until it is in effect.
    pub lead_minutes: f64,
    /// For how many minutes less must be enough before the lever is lowered.
    pub hold_minutes: f64,
    /// The largest factor by which the lever is multiplied in one decision.
    pub step_up: f64,
    /// The smallest factor by which the lever is multiplied in one decision.
    pub step_down: f64,
    /// The lever takes only multiples of this value, such as the workers of one provisioned poller.
    /// If it is absent, the lever takes every value that AWS accepts.
    pub multiple_of: Option<f64>,
}

impl Bounds {
    pub(super) fn granularity(&self, lever: Lever) -> f64 {
        self.multiple_of.unwrap_or_else(|| lever.granularity())
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

/// A capacity plan has a mistake.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {field}: {message}")]
pub struct PlanError {
    pub file: String,
    /// The line of the mistake, counted from 1.
    pub line: usize,
    pub field: String,
    pub message: String,
}

/// The text of a plan. It makes errors that name the line of a mistake.
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

    /// Makes an error at the line of `field` in the table whose header is at `table`. If the table
    /// does not contain the field, the error is at the line of the header.
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
    /// Reads and checks a plan. `file` is named in errors. `prices` are needed to check that the
    /// floors are within the budget.
    ///
    /// # Errors
    /// If a field is missing, is unknown, or has a wrong type or value. The error names file, line
    /// and field.
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
            let message = format!("the floors alone cost up to {least:.2} $ an hour; lower the floors or raise the budget");
            return Err(source.error(&span, "budget_dollars_per_hour", message));
        }
        Ok(plan)
    }

    /// The state with every lever at its floor.
    pub fn floors(&self) -> State {
        self.levers.iter().map(|(&lever, bounds)| (lever, bounds.floor)).collect()
    }

    /// The state with every lever at its ceiling.
    pub fn ceilings(&self) -> State {
        self.levers.iter().map(|(&lever, bounds)| (lever, bounds.ceiling)).collect()
    }

    /// The plan with its ceilings lowered to those of the deployed template. Levers that the
    /// template does not name are not changed.
    #[must_use]
    pub fn within(mut self, ceilings: &State) -> Self {
        for (lever, bounds) in &mut self.levers {
            if let Some(&ceiling) = ceilings.get(lever) {
                bounds.ceiling = at_most(bounds.ceiling.min(ceiling), bounds.granularity(*lever));
                bounds.floor = bounds.floor.min(bounds.ceiling);
            }
        }
        self
    }

    /// For how many seconds a job uses a worker, if no time was measured.
    pub(super) fn seconds_per_job(&self, lane: job::Lane) -> f64 {
        self.work.seconds_per_job[lane]
    }

    /// How many jobs per minute the database can commit with this many capacity units.
    pub(super) fn commits_per_minute(&self, acus: f64) -> f64 {
        acus * self.work.jobs_per_second_per_acu * 60.0
    }
}

fn check_tables(source: &Source<'_>, raw: &Raw) -> Result<(), PlanError> {
    for (lever, bounds) in &raw.levers {
        let (path, span, bounds) = (format!("levers.{lever}"), bounds.span(), bounds.get_ref());
        let wrong = |field: &str, message: String| Err(source.field(&span, &path, field, message));
        if !(bounds.floor >= 0.0 && bounds.floor.is_finite()) {
            return wrong("floor", format!("{} is not a number from 0 on", bounds.floor));
        }
        if lever.lane().is_some() && bounds.floor < 2.0 {
            return wrong(
                "floor",
                "a lane needs at least 2 workers, because AWS accepts no smaller maximum concurrency".to_owned(),
            );
        }
        if !(bounds.ceiling >= bounds.floor && bounds.ceiling.is_finite()) {
            return wrong("ceiling", format!("{} is below the floor of {}", bounds.ceiling, bounds.floor));
        }
        let granularity = bounds.granularity(*lever);
        let whole = |value: f64, granularity: f64| (at_least(value, granularity) - value).abs() < 1e-6;
        if !(granularity > 0.0 && whole(granularity, lever.granularity())) {
            return wrong("multiple_of", format!("{granularity} is not a multiple of {}", lever.granularity()));
        }
        for (field, value) in [("floor", bounds.floor), ("ceiling", bounds.ceiling)] {
            if !whole(value, granularity) {
                return wrong(field, format!("{value} is not a multiple of {granularity}"));
            }
        }
        for (field, minutes) in [("lead_minutes", bounds.lead_minutes), ("hold_minutes", bounds.hold_minutes)] {
            if !(0.0..=240.0).contains(&minutes) {
                return wrong(field, format!("{minutes} is not between 0 and 240 minutes"));
            }
        }
        if !(bounds.step_up > 1.0 && bounds.step_up.is_finite()) {
            return wrong(
                "step_up",
                format!("{} is not above 1, so that the lever could never rise", bounds.step_up),
            );
        }
        if !(0.0..1.0).contains(&bounds.step_down) {
            return wrong(
                "step_down",
                format!("{} is not between 0 and 1, so that the lever could never fall", bounds.step_down),
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
            return Err(source.field(&span, "work", field, "the value must be above 0, in every lane"));
        }
    }
    let (span, levels) = (raw.degradation.span(), raw.degradation.get_ref());
    for (field, [trim, extractive, queue]) in [("wait_seconds", levels.wait_seconds), ("failures", levels.failures)] {
        if !(0.0 < trim && trim < extractive && extractive < queue && queue.is_finite()) {
            return Err(source.field(
                &span,
                "degradation",
                field,
                "the three thresholds must be above 0, and each must be larger than the one before",
            ));
        }
    }
    if !(levels.leave > 0.0 && levels.leave < 1.0) {
        return Err(source.field(&span, "degradation", "leave", "the value must be above 0 and below 1"));
    }
    if !(0.0..=240.0).contains(&levels.calm_minutes) {
        return Err(source.field(&span, "degradation", "calm_minutes", "the value must be between 0 and 240 minutes"));
    }
    Ok(())
}
