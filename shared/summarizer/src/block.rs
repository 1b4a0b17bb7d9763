//! The pieces that a text is divided into before it is split into sentences.

use std::ops::Range;

use super::shown::Shown;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Prose,
    /// Informs about the rest, and is chosen only if there is nothing else.
    Heading,
    Item,
    /// A turn in a transcript; the number of bytes its speaker's label takes.
    Utterance(usize),
}

/// A piece of the source that no sentence crosses.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub kind: Kind,
    /// Bytes of the source.
    pub source: Range<usize>,
    /// Blocks with one number make one paragraph.
    pub paragraph: usize,
    /// What a reader sees, where that is not the source itself.
    pub shown: Option<Shown>,
}

/// The blocks of a text, and whether some of it was code, a table or a log.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub blocks: Vec<Block>,
    pub has_code: bool,
}
