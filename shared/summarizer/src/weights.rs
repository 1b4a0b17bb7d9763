//! The weights of the ranker: how much each sign of a sentence adds to its score.
//!
//! The first number holds in every document. The second one is added to it in long documents, from
//! nothing at [`LONG`]`.0` sentences to all of it at [`LONG`]`.1`. The weights were fitted on sets of
//! documents with human summaries; `shared/evaluation` measures what they achieve.

/// Number of sentences from which a document begins to count as long, and from which it fully does.
pub(super) const LONG: (f64, f64) = (40.0, 150.0);

/// The weight of one sign.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub always: f64,
    pub long: f64,
}

const fn weight(always: f64, long: f64) -> Weight {
    Weight { always, long }
}

/// Mean cosine with all later sentences (z-score).
pub(super) const LIKE_LATER: Weight = weight(1.0, -0.5);
/// Mean cosine with all earlier sentences (z-score).
pub(super) const LIKE_EARLIER: Weight = weight(-0.2, 0.5);
/// How much its words are those of the whole text (z-score).
pub(super) const CENTRAL: Weight = weight(1.3, 0.1);
/// How many words that come up again it is the first to use (z-score).
pub(super) const INTRODUCES: Weight = weight(0.3, 0.0);
/// Pairs of words that stand together in other sentences too (z-score).
pub(super) const REPEATED_PAIRS: Weight = weight(0.0, 0.4);
/// Cosine with the title.
pub(super) const LIKE_TITLE: Weight = weight(2.5, 0.0);

/// `-ln(1 + position) / ln 61`.
pub(super) const EARLY: Weight = weight(1.4, -0.3);
/// `e^(-position / 3)`.
pub(super) const FIRST: Weight = weight(0.2, 0.6);
/// Position as a share of the document.
pub(super) const LATE: Weight = weight(-0.2, -2.3);
/// `ln(1 + position in the paragraph)`.
pub(super) const INSIDE_PARAGRAPH: Weight = weight(0.0, 0.4);

/// `ln(1 + words)`.
pub(super) const SIZE: Weight = weight(-1.7, -0.1);
/// `ln(1 + words)` once more, where the budget is not a number of sentences and a long sentence takes
/// the room of others.
pub(super) const SIZE_IN_BUDGET: Weight = weight(-1.7, 0.0);
/// Each 20 words beyond the 35th.
pub(super) const OVERLONG: Weight = weight(-1.0, 0.0);
/// Fewer than five words.
pub(super) const VERY_SHORT: Weight = weight(-3.1, 0.0);
/// Fewer than eight words.
pub(super) const SHORT: Weight = weight(-1.5, 0.0);

/// Share of words that are no content words.
pub(super) const FUNCTION_WORDS: Weight = weight(2.8, 0.0);
/// Share of words with a capital letter, the first word aside.
pub(super) const CAPITALS: Weight = weight(-0.9, 0.0);
/// Share of words of the first person.
pub(super) const FIRST_PERSON: Weight = weight(-1.0, 0.0);
/// Ends with the mark of a sentence.
pub(super) const ENDS: Weight = weight(0.9, 0.0);
/// Begins with a quotation mark.
pub(super) const QUOTED: Weight = weight(-0.8, 0.0);
/// Is a question.
pub(super) const QUESTION: Weight = weight(-1.0, 0.0);
/// Has a colon.
pub(super) const COLON: Weight = weight(-1.5, 0.0);
/// Opens with a pronoun or a connective, so that it depends on the sentence before it.
pub(super) const DEPENDENT: Weight = weight(-1.5, 0.0);
/// Each phrase that announces something important.
pub(super) const CUE: Weight = weight(1.3, 0.0);
/// Each phrase that marks something unimportant.
pub(super) const STIGMA: Weight = weight(-1.0, 0.0);
/// Each citation.
pub(super) const CITATION: Weight = weight(-0.2, 0.0);
/// Has the words of an earlier sentence.
pub(super) const DUPLICATE: Weight = weight(-0.3, 0.0);
