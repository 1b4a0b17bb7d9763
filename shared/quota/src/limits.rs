//! The limits of a plan, and how they are changed for a tenant or a key.

use job::Plan;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use utoipa::ToSchema;

/// The most submissions a minute, and the most at once, that a rate can allow.
const MOST: u32 = 1_000_000;

/// How many submissions are allowed: so many a minute on average, and so many at once after a
/// pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Submissions a minute, on average.
    #[serde(deserialize_with = "possible")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    per_minute: u32,
    /// Submissions at the same moment, after a pause that is long enough.
    #[serde(deserialize_with = "possible")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: u32,
}

fn possible<'a, D: Deserializer<'a>>(number: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(number)?;
    let wrong = || D::Error::invalid_value(Unexpected::Unsigned(number.into()), &"a whole number from 1 to 1,000,000");
    (1..=MOST).contains(&number).then_some(number).ok_or_else(wrong)
}

/// A rate is outside its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`per_minute` and `burst` must each be from 1 to {MOST}")]
pub struct InvalidRate;

impl Rate {
    /// A rate of so many submissions a minute and at once.
    ///
    /// # Errors
    /// If a number is 0 or above one million.
    pub const fn new(per_minute: u32, burst: u32) -> Result<Self, InvalidRate> {
        if per_minute == 0 || burst == 0 || per_minute > MOST || burst > MOST {
            return Err(InvalidRate);
        }
        Ok(Self { per_minute, burst })
    }

    /// Submissions at the same moment, after a pause that is long enough.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The time after which one more submission is allowed, in microseconds.
    pub const fn interval(self) -> i64 {
        60_000_000 / self.per_minute as i64
    }

    /// The time after which a full burst is allowed again, in microseconds.
    pub const fn window(self) -> i64 {
        self.interval() * self.burst as i64
    }

    /// A part of this rate, and at least one submission.
    fn part(self, of: u32) -> Self {
        Self {
            per_minute: (self.per_minute / of).max(1),
            burst: (self.burst / of).max(1),
        }
    }

    const fn known(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }
}

/// The limits that hold for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The submissions of this key.
    pub key: Rate,
    /// The submissions of all keys of the tenant together.
    pub tenant: Rate,
    /// The submissions over one of these rates that are accepted nevertheless, into the bulk lane.
    pub deferred: Rate,
}

impl Limits {
    /// The limits of a plan.
    pub const fn of(plan: Plan) -> Self {
        let (per_minute, burst, deferred_per_minute, deferred) = match plan {
            Plan::Free => (60, 20, 10, 200),
            Plan::Pro => (1_200, 200, 600, 10_000),
            Plan::Enterprise => (12_000, 2_000, 6_000, 100_000),
        };
        let rate = Rate::known(per_minute, burst);
        Self {
            key: rate,
            tenant: rate,
            deferred: Rate::known(deferred_per_minute, deferred),
        }
    }

    /// A part of these limits, and at least one submission of each kind.
    #[must_use]
    pub fn part(self, of: u32) -> Self {
        Self {
            key: self.key.part(of),
            tenant: self.tenant.part(of),
            deferred: self.deferred.part(of),
        }
    }

    /// These limits with some of them replaced.
    #[must_use]
    pub fn with(self, overrides: &Overrides) -> Self {
        Self {
            key: overrides.key.unwrap_or(self.key),
            tenant: overrides.tenant.unwrap_or(self.tenant),
            deferred: overrides.deferred.unwrap_or(self.deferred),
        }
    }
}

/// Limits that an operator has set in the place of those of the plan. An absent one is that of the
/// plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Rate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_possible_rates_are_made() {
        assert_eq!(Rate::new(0, 1), Err(InvalidRate));
        assert_eq!(Rate::new(1, 0), Err(InvalidRate));
        assert_eq!(Rate::new(MOST + 1, 1), Err(InvalidRate));
        let rate = Rate::new(MOST, MOST).unwrap();
        assert_eq!((rate.interval(), rate.window()), (60, 60_000_000));
        let read = |text: &str| serde_json::from_str::<Rate>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"per_minute":1000000,"burst":1000000}"#), Ok(rate));
        let refused = read(r#"{"per_minute":0,"burst":1}"#).unwrap_err();
        assert!(refused.contains("expected a whole number from 1 to 1,000,000"), "{refused}");
    }

    #[test]
    fn a_larger_plan_allows_more() {
        let [free, pro, enterprise] = [Plan::Free, Plan::Pro, Plan::Enterprise].map(Limits::of);
        for (less, more) in [(free, pro), (pro, enterprise)] {
            assert!(less.tenant.interval() > more.tenant.interval() && less.tenant.burst() < more.tenant.burst());
            assert!(less.deferred.burst() < more.deferred.burst());
        }
        let overridden = free.with(&Overrides {
            tenant: Some(pro.tenant),
            ..Overrides::default()
        });
        assert_eq!((overridden.key, overridden.tenant), (free.key, pro.tenant));
    }
}
