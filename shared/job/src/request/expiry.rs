//! How long a job may wait, and how long it is kept.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::limits::Limits;

/// How long a finished job is kept if its client does not say it.
pub const RETENTION: Duration = Duration::days(30);

/// For how many seconds a finished job is kept. 0 means that nothing is kept after the answer.
///
/// `Deserialize` is for values that this service has written. It does not check the limits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpiresIn(u32);

/// The number cannot be the time for which a job is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The value must be 0, or from {} to {} seconds. Leave it out to keep the job for 30 days.",
    Limits::EXPIRES_IN_LEAST,
    Limits::EXPIRES_IN_MOST
)]
pub struct InvalidExpiresIn;

/// The value cannot be a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeadline {
    /// It is not a moment.
    #[error("The value must be a moment of RFC 3339, such as `2027-01-31T12:00:00Z`.")]
    Form,
    /// It is not in the future, or too far.
    #[error("The deadline must lie in the future, by {} days at most.", Limits::DEADLINE_DAYS)]
    Moment,
}

pub(super) fn deadline(text: &str) -> Result<OffsetDateTime, InvalidDeadline> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidDeadline::Form)?;
    // In UTC, the last hours of the year 9999 of another offset belong to a year that has no name.
    let moment = moment.checked_to_offset(UtcOffset::UTC).ok_or(InvalidDeadline::Moment)?;
    Ok(moment.truncate_to_microsecond())
}

impl ExpiresIn {
    /// Whether nothing is kept after the answer.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The time for which the job is kept.
    pub fn duration(self) -> Duration {
        Duration::seconds(self.0.into())
    }
}

impl TryFrom<u32> for ExpiresIn {
    type Error = InvalidExpiresIn;

    fn try_from(seconds: u32) -> Result<Self, InvalidExpiresIn> {
        let fits = seconds == 0 || (Limits::EXPIRES_IN_LEAST..=Limits::EXPIRES_IN_MOST).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidExpiresIn) }
    }
}
