//! Lets a caller stop the engine between two of its steps. The engine itself has no clock.

use super::summary::NoSummary;

/// The steps of one summary.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    may_go_on: &'a dyn Fn() -> bool,
}

impl<'a> Steps<'a> {
    pub(super) const fn new(may_go_on: &'a dyn Fn() -> bool) -> Self {
        Self { may_go_on }
    }

    /// Begins the next step, unless the caller stops the engine.
    pub(super) fn next(&self) -> Result<(), NoSummary> {
        if (self.may_go_on)() { Ok(()) } else { Err(NoSummary::Stopped) }
    }
}
