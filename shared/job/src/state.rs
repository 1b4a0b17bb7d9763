//! The states of a job.
//!
//! ```text
//!            accepted
//!               |
//!               v     worker starts
//!  +-------> queued ----------------> running
//!  |  retry   ^| |                    |  | |
//!  +----------||-|--------------------+  | |
//!     replay  || |  dead letter          | +--> succeeded
//!             || +-------------> failed <+
//!             |+--+ client       |       |
//!             |   +--------------|---> canceled
//!             +------------------+
//! ```
//!
//! `succeeded`, `failed` and `canceled` are final. The first final status that is recorded stays,
//! even if the message is delivered again. Only an operator can open a failed job once more, by a replay
//! of its dead letter.

use serde::{Deserialize, Serialize};

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The job was accepted and waits in its lane.
    Queued,
    /// A worker works on the job.
    Running,
    /// The job has finished with a result.
    Succeeded,
    /// The job has finished with an error.
    Failed,
    /// The client has canceled the job before it finished.
    Canceled,
}

impl Status {
    /// All statuses, in the order in which a job reaches them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Canceled];

    /// Whether the work on the job has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// Whether the diagram above has an arrow from `self` to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Running | Self::Failed | Self::Canceled),
            Self::Running => matches!(next, Self::Queued | Self::Succeeded | Self::Failed | Self::Canceled),
            Self::Failed => matches!(next, Self::Queued),
            Self::Succeeded | Self::Canceled => false,
        }
    }

    /// Checks that a job may change from `self` to `next`.
    ///
    /// # Errors
    /// If the diagram has no such arrow.
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
            Self::Canceled => "canceled",
        }
    }
}

/// A job was asked to change its status in a way that the diagram does not allow.
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
    fn a_final_status_becomes_no_other_final_status() {
        for from in Status::ALL {
            let next: Vec<Status> = Status::ALL.into_iter().filter(|to| from.may_become(*to)).collect();
            match from {
                Status::Failed => assert_eq!(next, [Status::Queued], "only a replay opens a job again"),
                _ => assert_eq!(next.is_empty(), from.is_final(), "{from:?}"),
            }
        }
    }

    #[test]
    fn names_match_the_json() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
