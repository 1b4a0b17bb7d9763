//! How long a summary may be.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long the summary may be: exactly one of four units. A hard budget, never exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "Lengths")]
#[schema(as = Length)]
pub enum Budget {
    /// Whole sentences, 1 to 100.
    Sentences(u32),
    /// Words as Unicode counts them (UAX #29), 1 to 5000.
    Words(u32),
    /// Characters (Unicode scalar values) of the summary text, 1 to 50000.
    Characters(u32),
    /// Share of the input's characters, above 0 and up to 1.
    Ratio(f64),
}

/// The four units side by side, as they come from a client; one of them should be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    pub sentences: Option<u32>,
    pub words: Option<u32>,
    pub characters: Option<u32>,
    pub ratio: Option<f64>,
}

/// None of the four units is set, or more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give exactly one of sentences, words, characters and ratio")]
pub struct NotOneLength;

impl TryFrom<Lengths> for Budget {
    type Error = NotOneLength;

    fn try_from(lengths: Lengths) -> Result<Self, NotOneLength> {
        match lengths {
            Lengths {
                sentences: Some(n),
                words: None,
                characters: None,
                ratio: None,
            } => Ok(Self::Sentences(n)),
            Lengths {
                sentences: None,
                words: Some(n),
                characters: None,
                ratio: None,
            } => Ok(Self::Words(n)),
            Lengths {
                sentences: None,
                words: None,
                characters: Some(n),
                ratio: None,
            } => Ok(Self::Characters(n)),
            Lengths {
                sentences: None,
                words: None,
                characters: None,
                ratio: Some(share),
            } => Ok(Self::Ratio(share)),
            _ => Err(NotOneLength),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::Sentences(3)
    }
}

impl Budget {
    /// The name of the unit on the wire.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Sentences(_) => "sentences",
            Self::Words(_) => "words",
            Self::Characters(_) => "characters",
            Self::Ratio(_) => "ratio",
        }
    }
}
