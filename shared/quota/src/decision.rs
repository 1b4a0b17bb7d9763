//! The decision about one submission.

use crate::{
    bucket::{Bucket, Level},
    limits::Limits,
};

/// How much of its limits a key and its tenant have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub key: Bucket,
    pub tenant: Bucket,
    pub deferred: Bucket,
}

/// What happens with a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the rates.
    Admitted,
    /// It is over a rate, and within the allowance for this: it is accepted into the bulk lane.
    Deferred,
    /// It is over the allowance too. After this time, in microseconds, one more is accepted.
    Refused { wait: i64 },
}

/// The verdict, and how much of the limits is left after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub key: Level,
    pub tenant: Level,
}

impl Account {
    /// Decides about a submission and counts it. A refused one is not counted. One that cannot wait in a
    /// lane is never deferred.
    pub fn decide(&mut self, limits: &Limits, now: i64, can_wait: bool) -> Decision {
        let over = self.key.wait(limits.key, now).max(self.tenant.wait(limits.tenant, now));
        let past = self.deferred.wait(limits.deferred, now);
        let verdict = if over == 0 {
            self.key = self.key.take(limits.key, now);
            self.tenant = self.tenant.take(limits.tenant, now);
            Verdict::Admitted
        } else if !can_wait {
            Verdict::Refused { wait: over }
        } else if past == 0 {
            self.deferred = self.deferred.take(limits.deferred, now);
            Verdict::Deferred
        } else {
            Verdict::Refused { wait: over.min(past) }
        };
        self.standing(limits, now, verdict)
    }

    fn standing(&self, limits: &Limits, now: i64, verdict: Verdict) -> Decision {
        Decision {
            verdict,
            key: self.key.level(limits.key, now),
            tenant: self.tenant.level(limits.tenant, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    #[test]
    fn excess_is_deferred_and_only_past_the_allowance_refused() {
        let rate = |per_minute, burst| Rate::new(per_minute, burst).unwrap();
        let limits = Limits {
            key: rate(60, 2),
            tenant: rate(120, 3),
            deferred: rate(6, 2),
        };
        let (mut one, mut now) = (Account::default(), 1_000_000_000);
        let verdicts: Vec<Verdict> = (0..5).map(|_| one.decide(&limits, now, true).verdict).collect();
        let refused = Verdict::Refused { wait: 1_000_000 };
        assert_eq!(
            verdicts,
            [Verdict::Admitted, Verdict::Admitted, Verdict::Deferred, Verdict::Deferred, refused]
        );
        // Another key of the tenant has its own rate, and shares that of the tenant.
        let mut other = Account {
            key: Bucket::default(),
            ..one
        };
        assert_eq!(other.decide(&limits, now, true).verdict, Verdict::Admitted);
        assert!(matches!(other.decide(&limits, now, true).verdict, Verdict::Refused { .. }));
        // A submission that cannot wait takes nothing of the allowance.
        let mut unused = Account {
            deferred: Bucket::default(),
            ..other
        };
        let refused = unused.decide(&limits, now, false).verdict;
        assert!(matches!(refused, Verdict::Refused { .. }) && unused.deferred == Bucket::default());
        assert_eq!(unused.decide(&limits, now, true).verdict, Verdict::Deferred);
        now += 1_000_000;
        assert_eq!(one.decide(&limits, now, true).verdict, Verdict::Admitted);
    }
}
