//! Pre-scaling: what is seen and planned for becomes settings of Lambda, Aurora and `ElastiCache`, and the
//! level of service. Ways in: a schedule and operators (`{"action":"plan"}`, with `"dry_run":true` to look
//! only), `{"action":"pin","level":2,"minutes":30}` and `{"action":"unpin"}`.
//!
//! A decision depends on nothing but what is read at its beginning, and every setting is absolute: two
//! runs at once do the same.

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
        Action, Ahead, CapacityPlan, Decision, Level, Lever, Pin, Pressure, Prices, Reason, Signals, State, actions, ahead, decide,
        effective,
    },
    config,
    service_level::{Remembered, ServiceLevel},
    store::Chain,
    telemetry::metric,
};

use levers::{Levers, Stand};
use observe::Observer;

/// Plans that come with the function, by name.
const PLANS: [(&str, &str); 2] = [
    ("growth", include_str!("../../../infra/capacity/growth.toml")),
    ("scale", include_str!("../../../infra/capacity/scale.toml")),
];
const PRICES: &str = include_str!("../../../infra/cost.toml");

/// A level that is not renewed ends: four runs may be missed.
const LEVEL_HOLDS: SignedDuration = SignedDuration::from_mins(5);
/// Longest pin, minutes.
const LONGEST_PIN: i64 = 24 * 60;

/// What every run needs; made once per cold start.
pub struct Context {
    plan: CapacityPlan,
    prices: Prices,
    observer: Observer,
    levers: Levers,
    level: ServiceLevel,
}

impl Context {
    /// Reads the environment that the template sets, and the plan it names. Connects to nothing yet.
    ///
    /// # Errors
    /// If a variable is missing or wrong, or the plan cannot stand.
    pub async fn try_from_env() -> Result<Self, Error> {
        let aws = config::aws().await;
        let prices = Prices::parse(PRICES)?;
        let ceilings: State = serde_json::from_str(&config::required("CEILINGS")?)?;
        Ok(Self {
            plan: plan(&prices)?.within(&ceilings),
            prices,
            observer: Observer::from_env(&aws)?,
            levers: Levers::from_env(&aws, ceilings)?,
            level: ServiceLevel::from_env(&aws)?,
        })
    }
}

/// The plan of the file in `CAPACITY_PLAN_FILE` (say, of a layer), else the one that `CAPACITY_PLAN` names.
fn plan(prices: &Prices) -> Result<CapacityPlan, Error> {
    if let Some(file) = config::optional("CAPACITY_PLAN_FILE") {
        return Ok(CapacityPlan::parse(&file, &fs::read_to_string(&file)?, prices)?);
    }
    let name = config::required("CAPACITY_PLAN")?;
    let (_, text) = PLANS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("there is no plan `{name}`; there are {}", PLANS.map(|(name, _)| name).join(", ")))?;
    Ok(CapacityPlan::parse(&format!("infra/capacity/{name}.toml"), text, prices)?)
}

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Decide, and do it.
    Plan {
        /// Say what would be done, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The moment to decide for; now, if absent.
        at: Option<Timestamp>,
    },
    /// Hold a level.
    Pin { level: Level, minutes: i64 },
    /// Let the signals decide again.
    Unpin,
}

/// What was seen, decided and done.
#[derive(Debug, Serialize)]
pub struct Report {
    dry_run: bool,
    signals: Signals,
    level: Level,
    pinned: bool,
    desired: State,
    reasons: BTreeMap<&'static str, String>,
    dollars_per_hour: f64,
    actions: Vec<Action>,
    /// What AWS does by itself in the next day, because the calendar says so.
    ahead: Vec<Ahead>,
    /// Levers that an earlier change is still being made to; they are left alone until it is.
    changing: BTreeSet<Lever>,
    /// What was not done, and why.
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
/// If nothing can be read, or something cannot be set. What can be set is.
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
    tracing::warn!(%level, until = %pin.until, "the level of service is pinned");
    Ok(Answer::Pinned(pin))
}

async fn plan_and_act(context: &Context, now: Timestamp, dry_run: bool) -> Result<Report, Error> {
    let Context {
        plan, prices, observer, ..
    } = context;
    let (remembered, pin) = context.level.remembered().await?;
    let (signals, history, mut failures) = observer.look(now).await;
    let controller = remembered
        .controller
        .next(Pressure::judge(&signals, plan), now, plan.degradation.calm_minutes);
    let level = effective(controller, pin, now);
    let Stand {
        state: actual,
        bulk_runs,
        changing,
        failures: unread,
    } = context.levers.read().await;
    failures.extend(unread);
    let decision = decide(now, plan, prices, &history, &signals, &actual, &remembered.memory);
    let mut actions = actions(&decision.desired, &actual, bulk_runs, level);
    actions.retain(|action| !changing.contains(&action.lever()));
    let mut ahead = ahead(now, plan, prices, &actual);
    ahead.retain(|change| context.levers.is_scheduled(change.lever));
    if !dry_run {
        let until = pin.filter(|pin| now < pin.until).map_or(now + LEVEL_HOLDS, |pin| pin.until);
        let remember = Remembered {
            memory: decision.memory.clone(),
            controller,
        };
        context.level.set(level, until, &remember).await?;
        for action in &actions {
            if let Err(error) = context.levers.apply(action).await {
                failures.push(format!("{action:?} was not done: {}", Chain(error.as_ref())));
            }
        }
        failures.extend(unmoved(context, &actions).await);
        if let Err(error) = context.levers.schedule(&ahead).await {
            failures.push(format!("announced demand was not scheduled: {}", Chain(error.as_ref())));
        }
    }
    for failure in &failures {
        tracing::error!("{failure}");
    }
    tell(&decision, &actual, &actions, level);
    Ok(Report {
        dry_run,
        signals,
        level,
        pinned: pin.is_some_and(|pin| now < pin.until),
        desired: decision.desired,
        reasons: reasons(&decision.reasons),
        dollars_per_hour: decision.dollars_per_hour,
        actions,
        ahead,
        changing,
        failures,
    })
}

/// Settings that AWS has done with, and that do not read back as they were set.
async fn unmoved(context: &Context, actions: &[Action]) -> Vec<String> {
    if actions.is_empty() {
        return Vec::new();
    }
    let Stand { state, changing, .. } = context.levers.read().await;
    let unmoved = actions.iter().filter_map(|action| match action {
        Action::Set { lever, to, .. } if !changing.contains(lever) => {
            let is = state.get(lever).copied().unwrap_or_default();
            ((is - to).abs() > f64::EPSILON).then(|| format!("{lever} was set to {to} and reads {is}"))
        }
        _ => None,
    });
    unmoved.collect()
}

fn reasons(reasons: &BTreeMap<Lever, Reason>) -> BTreeMap<&'static str, String> {
    reasons.iter().map(|(lever, reason)| (lever.as_str(), reason.to_string())).collect()
}

/// Logs and metrics of a decision.
fn tell(decision: &Decision, actual: &State, actions: &[Action], level: Level) {
    for (lever, desired) in &decision.desired {
        metrics::gauge!(metric::CAPACITY, "lever" => lever.as_str()).set(*desired);
    }
    metrics::gauge!(metric::LEVEL).set(f64::from(u8::from(level)));
    for action in actions {
        match action {
            Action::Set { lever, from, to } => {
                tracing::info!(%lever, from, to, because = %decision.reasons[lever], "a lever moves");
            }
            Action::Pause(lane) => tracing::warn!(%lane, %level, "a lane is paused"),
            Action::Resume(lane) => tracing::info!(%lane, %level, "a lane goes on"),
        }
    }
    tracing::info!(?actual, desired = ?decision.desired, %level, dollars_per_hour = decision.dollars_per_hour, "decided");
}
