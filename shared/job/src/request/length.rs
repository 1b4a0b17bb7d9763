//! The length of a summary, within the limits of a submission.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat, Type, schema::AdditionalProperties},
};

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

/// The schema states the limits, which a derived one cannot do for the variants of an enum.
impl PartialSchema for Length {
    fn schema() -> RefOr<Schema> {
        let unit = |name: &str, value: ObjectBuilder| {
            let object = ObjectBuilder::new().property(name, value).required(name);
            object.additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let whole = |most: u32, description: &str| {
            let number = ObjectBuilder::new().schema_type(Type::Integer);
            let number = number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
            number.minimum(Some(1)).maximum(Some(most)).description(Some(description))
        };
        let share = ObjectBuilder::new()
            .schema_type(Type::Number)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
            .exclusive_minimum(Some(0))
            .maximum(Some(1))
            .description(Some("The share of the characters of the text."));
        OneOfBuilder::new()
            .item(unit("sentences", whole(Limits::SENTENCES, "The number of sentences.")))
            .item(unit(
                "words",
                whole(Limits::WORDS, "The number of words as Unicode defines them (UAX #29)."),
            ))
            .item(unit(
                "characters",
                whole(
                    Limits::CHARACTERS,
                    "The number of characters (Unicode scalar values) of the summary text.",
                ),
            ))
            .item(unit("ratio", share))
            .description(Some(
                "The length of the summary, in exactly one of four units. The summary is never longer.",
            ))
            .into()
    }
}

impl ToSchema for Length {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Length")
    }
}
