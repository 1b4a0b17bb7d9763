//! The states of a job.
//!
//! ```text
//!            accepted
//!               |
//!               v     worker starts
//!  +-------> queued ----------------> running
//!  |  retry    |                      |    |
//!  +-----------|----------------------+    |
//!              |  dead letter              +--> succeeded
//!              +---------------> failed <--+
//! ```
//!
//! `succeeded` and `failed` are final: the first one written wins, whatever is delivered again.

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted and waiting in its lane.
    Queued,
    /// A worker has it.
    Running,
    /// Finished with a result.
    Succeeded,
    /// Finished with an error.
    Failed,
}

impl Status {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed];

    /// Whether nothing changes any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Whether the machine has an arrow from `self` to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Running | Self::Failed),
            Self::Running => matches!(next, Self::Queued | Self::Succeeded | Self::Failed),
            Self::Succeeded | Self::Failed => false,
        }
    }

    /// Allows the way from `self` to `next`, or refuses it.
    ///
    /// # Errors
    /// If there is no arrow.
    pub const fn transition(self, next: Self) -> Result<(), ForbiddenTransition> {
        if self.may_become(next) {
            return Ok(());
        }
        Err(ForbiddenTransition { from: self, to: next })
    }

    /// The name used in the API, the archive and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A job was to change its status in a way that no arrow allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {} cannot become {}", .from.as_str(), .to.as_str())]
pub struct ForbiddenTransition {
    pub from: Status,
    pub to: Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_have_no_way_out_and_others_do() {
        for from in Status::ALL {
            let leaves = Status::ALL.into_iter().any(|to| from.may_become(to));
            assert_eq!(leaves, !from.is_final(), "{from:?}");
        }
    }

    #[test]
    fn names_match_the_wire() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
