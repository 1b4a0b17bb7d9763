//! When jobs are submitted: at random moments, as independent clients do, at a rate that may grow and have
//! a burst.

use std::time::Duration;

use serde::Serialize;

use super::numbers::Numbers;

/// The rate of submissions over time.
#[derive(Clone, Debug, Serialize)]
pub struct Schedule {
    /// Submissions a second.
    pub rate: f64,
    /// How long it takes, in seconds.
    pub seconds: f64,
    /// The rate at the beginning, from which it grows evenly. It is `rate` if there is none.
    pub from: Option<f64>,
    /// By how much the rate is multiplied in the third fifth of the time.
    pub burst: f64,
}

impl Schedule {
    /// The moments of all submissions, from the beginning on. A seed repeats them.
    pub fn arrivals(&self, seed: u64) -> impl Iterator<Item = Duration> {
        let mut numbers = Numbers::of(seed);
        let mut moment = 0.0;
        std::iter::from_fn(move || {
            // The gaps of a Poisson process.
            moment += -(1.0 - numbers.fraction()).ln() / self.rate_at(moment);
            (moment < self.seconds).then(|| Duration::from_secs_f64(moment))
        })
    }

    fn rate_at(&self, moment: f64) -> f64 {
        let part = moment / self.seconds;
        let from = self.from.unwrap_or(self.rate);
        let usual = (self.rate - from).mul_add(part, from);
        if (0.4..0.6).contains(&part) { usual * self.burst } else { usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(from: Option<f64>, burst: f64) -> Vec<f64> {
        let schedule = Schedule {
            rate: 100.0,
            seconds: 100.0,
            from,
            burst,
        };
        schedule.arrivals(1).map(|moment| moment.as_secs_f64()).collect()
    }

    fn between(moments: &[f64], begin: f64, end: f64) -> usize {
        moments.iter().filter(|moment| (begin..end).contains(*moment)).count()
    }

    #[test]
    fn the_rate_is_kept_grows_and_has_a_burst() {
        let even = arrivals(None, 1.0);
        assert!((9_500..10_500).contains(&even.len()), "{}", even.len());
        assert!(even.is_sorted() && even == arrivals(None, 1.0));
        let growing = arrivals(Some(1.0), 1.0);
        assert!((4_500..5_700).contains(&growing.len()), "{}", growing.len());
        assert!(between(&growing, 0.0, 20.0) * 3 < between(&growing, 80.0, 100.0));
        let burst = arrivals(None, 5.0);
        assert!(between(&burst, 40.0, 60.0) > 4 * between(&burst, 0.0, 20.0));
    }
}
