//! Random choices for tests that can be repeated.

use local::load::Numbers;

/// Random numbers that a seed decides.
pub(crate) struct Chance(Numbers);

impl Chance {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(Numbers::of(seed))
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0.below(most)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
