//! The blocks that a text is divided into before it is split into sentences.

use std::ops::Range;

use super::shown::Shown;

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Prose,
    /// A heading raises the sentences that share words with it. It is chosen only if there is
    /// nothing else.
    Heading,
    /// An item of a list.
    Item,
    /// An utterance in a transcript. The number is the length of the speaker's label in bytes.
    Utterance(usize),
}

/// A part of the source that no sentence crosses.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub kind: Kind,
    /// The place of the block in the source, in bytes.
    pub source: Range<usize>,
    /// Blocks with the same number belong to one paragraph.
    pub paragraph: usize,
    /// What a reader sees. Absent if that is the source itself.
    pub shown: Option<Shown>,
}

/// The blocks of a text, and whether a part of it is code, a table or a log.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub blocks: Vec<Block>,
    pub has_code: bool,
}
