//! The length of a summary.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The length of the summary, in exactly one of four units. The summary is never longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Lengths")]
pub enum Budget {
    /// The number of sentences, from 1 to 100.
    Sentences(u32),
    /// The number of words as Unicode defines them (UAX #29), from 1 to 5000.
    Words(u32),
    /// The number of characters (Unicode scalar values) of the summary text, from 1 to 50000.
    Characters(u32),
    /// The share of the characters of the text, above 0 and at most 1.
    Ratio(f64),
}

/// The four units as a client sends them. Exactly one of them should be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Lengths {
    pub sentences: Option<u32>,
    pub words: Option<u32>,
    pub characters: Option<u32>,
    pub ratio: Option<f64>,
}

/// Reads an object only. A derived implementation would also read a list, such as `[3]`.
impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Lengths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"sentences\": 3}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Lengths, A::Error> {
                Lengths::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// None of the four units is set, or several of them are.
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
    /// The name of the unit in JSON.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Sentences(_) => "sentences",
            Self::Words(_) => "words",
            Self::Characters(_) => "characters",
            Self::Ratio(_) => "ratio",
        }
    }
}
