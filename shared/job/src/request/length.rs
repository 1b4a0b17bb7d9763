//! The length of a summary, within the limits of a submission.

use serde::{Deserialize, Serialize};

use summarizer::Budget;

use super::limits::Limits;

/// A length within [`Limits`].
///
/// `Deserialize` is for values that this service has written, such as the length in a message. It
/// does not check the limits again, because a limit may have become lower since then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Length(Budget);

/// The length is outside its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidLength {
    /// The unit of the length, which is also the name of its field.
    pub unit: &'static str,
    detail: String,
}

impl Length {
    /// The budget of the summary.
    pub const fn budget(self) -> Budget {
        self.0
    }
}

impl TryFrom<Budget> for Length {
    type Error = InvalidLength;

    fn try_from(budget: Budget) -> Result<Self, InvalidLength> {
        let (value, most) = match budget {
            Budget::Ratio(ratio) if ratio > 0.0 && ratio <= 1.0 => return Ok(Self(budget)),
            Budget::Ratio(ratio) => {
                return Err(InvalidLength {
                    unit: budget.unit(),
                    detail: format!("The value is {ratio}. It must be above 0 and at most 1."),
                });
            }
            Budget::Sentences(n) => (n, Limits::SENTENCES),
            Budget::Words(n) => (n, Limits::WORDS),
            Budget::Characters(n) => (n, Limits::CHARACTERS),
        };
        if (1..=most).contains(&value) {
            return Ok(Self(budget));
        }
        Err(InvalidLength {
            unit: budget.unit(),
            detail: format!("The value is {value}. It must be from 1 to {most}."),
        })
    }
}
