//! The generic cell rate algorithm (ITU-T I.371). It needs one number for each limit: the moment at
//! which a full burst will be allowed again.

use crate::limits::Rate;

/// How much of a rate is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When a full burst will be allowed again, in microseconds since 1970.
    full_at: i64,
}

/// How much of a rate is left, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Submissions that are allowed at this moment.
    pub left: u32,
    /// The time until a full burst is allowed again, in microseconds.
    pub full_in: i64,
}

impl Bucket {
    /// The bucket that will be full at this moment, in microseconds since 1970.
    pub const fn full_at(full_at: i64) -> Self {
        Self { full_at }
    }

    /// The time after which one more submission is allowed, in microseconds. 0 means now.
    pub fn wait(self, rate: Rate, now: i64) -> i64 {
        (self.full_at + rate.interval() - rate.window() - now).max(0)
    }

    /// Counts one submission.
    #[must_use]
    pub fn take(self, rate: Rate, now: i64) -> Self {
        Self {
            full_at: self.full_at.max(now) + rate.interval(),
        }
    }

    /// How much is left.
    pub fn level(self, rate: Rate, now: i64) -> Level {
        let full_in = (self.full_at - now).max(0);
        let left = (rate.window() - full_in).max(0) / rate.interval();
        Level {
            left: u32::try_from(left).unwrap_or(u32::MAX),
            full_in,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_for_each_interval() {
        let rate = Rate::new(60, 3).unwrap();
        let mut bucket = Bucket::default();
        let now = 1_000_000_000;
        assert_eq!(bucket.level(rate, now), Level { left: 3, full_in: 0 });
        for left in [2, 1, 0] {
            assert_eq!(bucket.wait(rate, now), 0);
            bucket = bucket.take(rate, now);
            assert_eq!(bucket.level(rate, now).left, left);
        }
        assert_eq!(bucket.wait(rate, now), 1_000_000);
        assert_eq!(bucket.wait(rate, now + 999_999), 1);
        assert_eq!(bucket.wait(rate, now + 1_000_000), 0);
        assert_eq!(bucket.level(rate, now).full_in, 3_000_000);
    }

    proptest! {
        /// In any window of time, at most a burst and one for each interval are allowed.
        #[test]
        fn no_schedule_gets_more_than_the_rate(per_minute in 1u32..5_000, burst in 1u32..50, pauses in prop::collection::vec(0i64..3_000_000, 1..300)) {
            let rate = Rate::new(per_minute, burst).unwrap();
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 1_700_000_000_000_000, Vec::new());
            for pause in pauses {
                now += pause;
                if bucket.wait(rate, now) == 0 {
                    bucket = bucket.take(rate, now);
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let most = i64::from(burst) + (to - from) / rate.interval();
                    prop_assert!(i64::try_from(last - first + 1).unwrap() <= most);
                }
            }
        }

        /// A submission that waits as long as it is told is allowed.
        #[test]
        fn the_wait_is_exact(per_minute in 1u32..5_000, burst in 1u32..50, taken in 0u32..100) {
            let rate = Rate::new(per_minute, burst).unwrap();
            let now = 1_700_000_000_000_000;
            let mut bucket = Bucket::default();
            for _ in 0..taken.min(burst) {
                bucket = bucket.take(rate, now);
            }
            let wait = bucket.wait(rate, now);
            prop_assert_eq!(bucket.wait(rate, now + wait), 0);
            prop_assert!(wait == 0 || bucket.wait(rate, now + wait - 1) > 0);
        }
    }
}
