//! Moves the levers through the simulated day, as a policy asks for.

use super::{
    day::{MINUTES, midnight},
    model::Model,
    policy::Policy,
    traces::Trace,
};
use crate::{
    PerLane,
    actions::{Action, actions},
    circuit::Circuit,
    degradation::{Controller, Pressure},
    level::Level,
    lever::Lever,
    plan::CapacityPlan,
    planner::{Memory, decide},
    prices::Prices,
    signals::History,
};

/// The share of busy warm environments that target tracking aims at.
const TARGET: f64 = 0.7;
/// After how many minutes in a row above the target target tracking adds environments (AWS: 3).
const ABOVE: usize = 3;
/// After how many minutes in a row below the target it removes environments (AWS: 15).
const BELOW: usize = 15;

/// A policy with what it knows and remembers.
pub(super) struct Controls {
    policy: Policy,
    history: History,
    memory: Memory,
    controller: Controller,
    circuit: Circuit,
    above: usize,
    below: usize,
}

impl Controls {
    pub(super) fn new(policy: Policy, trace: &Trace) -> Self {
        Self {
            policy,
            history: trace.history(),
            memory: Memory::default(),
            controller: Controller::default(),
            circuit: Circuit::default(),
            above: 0,
            below: 0,
        }
    }

    pub(super) fn level(&self) -> Level {
        self.controller.level
    }

    /// Does what the policy does at the beginning of a minute.
    pub(super) fn act(&mut self, model: &mut Model<'_>, plan: &CapacityPlan, prices: &Prices, minute: usize) {
        debug_assert!(minute < MINUTES, "the minute is not a minute of the day");
        match self.policy {
            Policy::Plan => self.follow_plan(model, plan, prices, minute),
            Policy::TargetTracking => self.track_target(model, plan),
            Policy::DefaultScaling | Policy::StaticForPeak => {}
        }
    }

    fn follow_plan(&mut self, model: &mut Model<'_>, plan: &CapacityPlan, prices: &Prices, minute: usize) {
        let now = midnight() + jiff::SignedDuration::from_mins(i64::try_from(minute).unwrap_or_default());
        let signals = model.signals(now);
        let pressure = Pressure::judge(&signals, plan);
        let paused = PerLane::from_fn(|lane| Some(self.circuit.stops(lane, self.level())));
        self.controller = self.controller.next(pressure, now, plan.degradation.calm_minutes);
        let actual = model.set_levers();
        let decision = decide(now, plan, prices, &self.history, &signals, &actual, &self.memory);
        // In a simulation the database always answers.
        self.circuit = self.circuit.next(Some(true), &paused, self.level());
        for action in actions(&decision.desired, &actual, &paused, &self.circuit, self.level()) {
            if let Action::Set { lever, to, .. } = action {
                model.set(lever, to);
            }
        }
        self.memory = decision.memory;
    }

    fn track_target(&mut self, model: &mut Model<'_>, plan: &CapacityPlan) {
        let Some(bounds) = plan.levers.get(&Lever::Warm) else { return };
        let warm = model.set_levers().get(&Lever::Warm).copied().unwrap_or(0.0).max(bounds.floor);
        let wanted = (model.environments() / TARGET).ceil().clamp(bounds.floor, bounds.ceiling);
        self.above = if wanted > warm { self.above + 1 } else { 0 };
        self.below = if wanted < warm { self.below + 1 } else { 0 };
        if self.above >= ABOVE || self.below >= BELOW {
            model.set(Lever::Warm, wanted);
            (self.above, self.below) = (0, 0);
        }
    }
}
