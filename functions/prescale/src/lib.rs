//! Pre-scaling. This function reads the signals of the service and the capacity plan, decides how
//! much capacity must be ready, and sets Lambda, Aurora and `ElastiCache` accordingly. It also sets
//! the service level, and pauses the lanes while the database does not answer. These events invoke it:
//!
//! - A schedule or an operator sends `{"action":"plan"}`. With `"dry_run":true` the function says
//!   what it would do and does nothing.
//! - An operator sends `{"action":"pin","level":2,"minutes":30}` to hold a service level, and
//!   `{"action":"unpin"}` to release it.
//!
//! A decision depends only on what is read at its beginning, and every setting is an absolute
//! value. Two runs at the same time therefore do the same and do no harm. Each run counts as a check of the
//! database.

mod health;
mod levers;
mod observe;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use shared::{
    capacity::{
        Action, Ahead, CapacityPlan, Circuit, Decision, Level, Lever, Pin, Pressure, Prices, Reason, Signals, State, actions, ahead,
        decide, effective,
    },
    config,
    service_level::{Remembered, ServiceLevel},
    store::Chain,
    telemetry::metric,
};

use health::Health;
use levers::{Levers, Reading};
use observe::Observer;

/// The capacity plans that are part of the function, by name.
const PLANS: [(&str, &str); 2] = [
    ("growth", include_str!("../../../infra/capacity/growth.toml")),
    ("scale", include_str!("../../../infra/capacity/scale.toml")),
];
const PRICES: &str = include_str!("../../../infra/cost.toml");

/// How long a service level holds after the run that set it. Four runs in a row may fail before it
/// expires.
const LEVEL_HOLDS: SignedDuration = SignedDuration::from_mins(5);
/// The longest time for which an operator can pin a service level, in minutes.
const LONGEST_PIN: i64 = 24 * 60;

/// The plan, the clients and the settings that every run needs. They are made once per cold start.
pub struct Context {
    plan: CapacityPlan,
    prices: Prices,
    observer: Observer,
    health: Health,
    levers: Levers,
    level: ServiceLevel,
}

impl Context {
    /// Reads the environment variables that the template sets, and the capacity plan that they
    /// name. It opens no connection yet.
    ///
    /// # Errors
    /// If a variable is missing or has a wrong value, or if the capacity plan has a mistake.
    pub async fn try_from_env() -> Result<Self, Error> {
        let aws = config::aws().await;
        let prices = Prices::parse(PRICES)?;
        let ceilings: State = serde_json::from_str(&config::required("CEILINGS")?)?;
        Ok(Self {
            plan: plan(&prices)?.within(&ceilings),
            prices,
            observer: Observer::from_env(&aws)?,
            health: Health::from_env(&aws)?,
            levers: Levers::from_env(&aws, ceilings)?,
            level: ServiceLevel::from_env(&aws)?,
        })
    }
}

/// Reads the capacity plan from the file that `CAPACITY_PLAN_FILE` names, for example a file of a
/// Lambda layer. If that variable is not set, it takes the plan of the function that
/// `CAPACITY_PLAN` names.
fn plan(prices: &Prices) -> Result<CapacityPlan, Error> {
    if let Some(file) = config::optional("CAPACITY_PLAN_FILE") {
        return Ok(CapacityPlan::parse(&file, &fs::read_to_string(&file)?, prices)?);
    }
    let name = config::required("CAPACITY_PLAN")?;
    let (_, text) = PLANS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        format!(
            "there is no capacity plan `{name}`; choose one of {}",
            PLANS.map(|(name, _)| name).join(", ")
        )
    })?;
    Ok(CapacityPlan::parse(&format!("infra/capacity/{name}.toml"), text, prices)?)
}

/// The event that the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Decide how much capacity must be ready, and set it.
    Plan {
        /// Only report what would be set.
        #[serde(default)]
        dry_run: bool,
        /// The moment to decide for. If it is absent, the moment is now.
        at: Option<Timestamp>,
    },
    /// Hold a service level for some minutes, whatever the signals say.
    Pin { level: Level, minutes: i64 },
    /// Let the signals decide the service level again.
    Unpin,
}

/// What a run has read, decided and done.
#[derive(Debug, Serialize)]
pub struct Report {
    dry_run: bool,
    signals: Signals,
    level: Level,
    pinned: bool,
    /// Whether the lanes are paused because the database does not answer.
    lanes_paused: bool,
    desired: State,
    reasons: BTreeMap<&'static str, String>,
    dollars_per_hour: f64,
    actions: Vec<Action>,
    /// What Application Auto Scaling will do in the next 24 hours, because the calendar announces
    /// demand.
    ahead: Vec<Ahead>,
    /// Levers that AWS is still changing after an earlier run. They are not changed again before
    /// that is finished.
    changing: BTreeSet<Lever>,
    /// What could not be read or done, and why.
    failures: Vec<String>,
}

/// The answer to a task.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Planned(Box<Report>),
    Pinned(Pin),
}

/// Does one task.
///
/// # Errors
/// If something cannot be read or set. Everything that can be set is set nevertheless.
pub async fn handle(context: &Context, task: Task) -> Result<Answer, Error> {
    match task {
        Task::Plan { dry_run, at } => {
            let report = plan_and_act(context, at.unwrap_or_else(Timestamp::now), dry_run).await?;
            if report.failures.is_empty() {
                Ok(Answer::Planned(Box::new(report)))
            } else {
                Err(report.failures.join("; ").into())
            }
        }
        Task::Pin { level, minutes } => {
            if !(1..=LONGEST_PIN).contains(&minutes) {
                return Err(format!("minutes must be between 1 and {LONGEST_PIN}").into());
            }
            pin(context, level, SignedDuration::from_mins(minutes)).await
        }
        Task::Unpin => pin(context, Level::Normal, SignedDuration::ZERO).await,
    }
}

async fn pin(context: &Context, level: Level, hold: SignedDuration) -> Result<Answer, Error> {
    let pin = Pin {
        level,
        until: Timestamp::now() + hold,
    };
    context.level.pin(pin).await?;
    tracing::warn!(%level, until = %pin.until, "The service level is pinned.");
    Ok(Answer::Pinned(pin))
}

async fn plan_and_act(context: &Context, now: Timestamp, dry_run: bool) -> Result<Report, Error> {
    let Context {
        plan, prices, observer, ..
    } = context;
    let (remembered, pin) = context.level.remembered().await?;
    let (signals, history, mut failures) = observer.observe(now).await;
    let controller = remembered
        .controller
        .next(Pressure::judge(&signals, plan), now, plan.degradation.calm_minutes);
    let level = effective(controller, pin, now);
    let Reading {
        state: actual,
        paused,
        changing,
        failures: unread,
    } = context.levers.read().await;
    failures.extend(unread);
    let decision = decide(now, plan, prices, &history, &signals, &actual, &remembered.memory);
    let before = if remembered.ran_at.is_some() {
        remembered.circuit
    } else {
        Circuit::taken_over(&paused)
    };
    let circuit = before.next(context.health.database_answers().await, &paused, level);
    let mut actions = actions(&decision.desired, &actual, &paused, &circuit, level);
    actions.retain(|action| !changing.contains(&action.lever()));
    let mut ahead = ahead(now, plan, prices, &actual);
    ahead.retain(|change| context.levers.is_scheduled(change.lever));
    if !dry_run {
        let until = pin.filter(|pin| now < pin.until).map_or(now + LEVEL_HOLDS, |pin| pin.until);
        let remember = Remembered {
            memory: decision.memory.clone(),
            controller,
            circuit,
            ran_at: Some(Timestamp::now()),
        };
        context.level.set(level, until, &remember).await?;
        for action in &actions {
            if let Err(error) = context.levers.apply(action).await {
                failures.push(format!("the action {action:?} failed: {}", Chain(error.as_ref())));
            }
        }
        failures.extend(unmoved(context, &actions).await);
        if let Err(error) = context.levers.schedule(&ahead).await {
            failures.push(format!(
                "the announced demand could not be scheduled with Application Auto Scaling: {}",
                Chain(error.as_ref())
            ));
        }
    }
    for failure in &failures {
        tracing::error!("A part of the run failed: {failure}.");
    }
    publish(&decision, &actual, &actions, circuit, level);
    Ok(Report {
        dry_run,
        signals,
        level,
        pinned: pin.is_some_and(|pin| now < pin.until),
        lanes_paused: circuit.is_open(),
        desired: decision.desired,
        reasons: reasons(&decision.reasons),
        dollars_per_hour: decision.dollars_per_hour,
        actions,
        ahead,
        changing,
        failures,
    })
}

/// Says which levers still have another value than the one that was set, although AWS has finished
/// changing them.
async fn unmoved(context: &Context, actions: &[Action]) -> Vec<String> {
    if actions.is_empty() {
        return Vec::new();
    }
    let Reading { state, changing, .. } = context.levers.read().await;
    let unmoved = actions.iter().filter_map(|action| match action {
        Action::Set { lever, to, .. } if !changing.contains(lever) => {
            let is = state.get(lever).copied().unwrap_or_default();
            ((is - to).abs() > f64::EPSILON).then(|| format!("the lever {lever} was set to {to} but has the value {is}"))
        }
        _ => None,
    });
    unmoved.collect()
}

fn reasons(reasons: &BTreeMap<Lever, Reason>) -> BTreeMap<&'static str, String> {
    reasons.iter().map(|(lever, reason)| (lever.as_str(), reason.to_string())).collect()
}

/// Writes the logs and metrics of a decision.
fn publish(decision: &Decision, actual: &State, actions: &[Action], circuit: Circuit, level: Level) {
    for (lever, desired) in &decision.desired {
        metrics::gauge!(metric::CAPACITY, "lever" => lever.as_str()).set(*desired);
    }
    metrics::gauge!(metric::LEVEL).set(f64::from(u8::from(level)));
    metrics::gauge!(metric::LANES_PAUSED).set(f64::from(u8::from(circuit.is_open())));
    for action in actions {
        match action {
            Action::Set { lever, from, to } => {
                tracing::info!(%lever, from, to, because = %decision.reasons[lever], "The decision changes a lever.");
            }
            Action::Pause(lane) if circuit.is_open() => {
                tracing::error!(%lane, "The decision pauses a lane, because the database does not answer. Its messages wait.");
            }
            Action::Pause(lane) => tracing::warn!(%lane, %level, "The decision pauses a lane, because the service level is 3."),
            Action::Resume(lane) => tracing::warn!(%lane, %level, "The decision resumes a paused lane."),
        }
    }
    tracing::info!(?actual, desired = ?decision.desired, %level, dollars_per_hour = decision.dollars_per_hour, "The capacity was decided.");
}
