//! The weights of the ranking: how much each feature of a sentence adds to its score.
//!
//! The first number is used in every document. The second number is added to it in long documents.
//! It counts nothing at [`LONG`]`.0` sentences and in full at [`LONG`]`.1` sentences. The weights
//! were fitted on sets of documents with summaries by people. `shared/evaluation` measures what
//! they achieve.

/// The number of sentences from which a document begins to count as long, and the number from which
/// it counts as long in full.
pub(super) const LONG: (f64, f64) = (40.0, 150.0);

/// The weight of one feature.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub always: f64,
    pub long: f64,
}

const fn weight(always: f64, long: f64) -> Weight {
    Weight { always, long }
}

/// The mean cosine with all later sentences (z-score).
pub(super) const LIKE_LATER: Weight = weight(1.0, -0.5);
/// The mean cosine with all earlier sentences (z-score).
pub(super) const LIKE_EARLIER: Weight = weight(-0.2, 0.5);
/// How important the words of the sentence are for the whole text (z-score).
pub(super) const CENTRAL: Weight = weight(1.3, 0.1);
/// How many words that occur again the sentence is the first to use (z-score).
pub(super) const INTRODUCES: Weight = weight(0.3, 0.0);
/// The number of pairs of words that also occur in other sentences (z-score).
pub(super) const REPEATED_PAIRS: Weight = weight(0.0, 0.4);
/// The cosine with the title.
pub(super) const LIKE_TITLE: Weight = weight(2.5, 0.0);

/// `-ln(1 + position) / ln 61`.
pub(super) const EARLY: Weight = weight(1.4, -0.3);
/// `e^(-position / 3)`.
pub(super) const FIRST: Weight = weight(0.2, 0.6);
/// The position as a share of the document.
pub(super) const LATE: Weight = weight(-0.2, -2.3);
/// `ln(1 + position in the paragraph)`.
pub(super) const INSIDE_PARAGRAPH: Weight = weight(0.0, 0.4);

/// `ln(1 + words)`.
pub(super) const SIZE: Weight = weight(-1.7, -0.1);
/// `ln(1 + words)` once more, if the length of the summary is not a number of sentences. A long
/// sentence then leaves less room for others.
pub(super) const SIZE_IN_BUDGET: Weight = weight(-1.7, 0.0);
/// For each 20 words after the 35th.
pub(super) const OVERLONG: Weight = weight(-1.0, 0.0);
/// The sentence has fewer than five words.
pub(super) const VERY_SHORT: Weight = weight(-3.1, 0.0);
/// The sentence has fewer than eight words.
pub(super) const SHORT: Weight = weight(-1.5, 0.0);

/// The share of words that are not content words.
pub(super) const FUNCTION_WORDS: Weight = weight(2.8, 0.0);
/// The share of words with a capital letter, without the first word.
pub(super) const CAPITALS: Weight = weight(-0.9, 0.0);
/// The share of words of the first person.
pub(super) const FIRST_PERSON: Weight = weight(-1.0, 0.0);
/// The sentence ends with a mark that ends sentences.
pub(super) const END_MARK: Weight = weight(0.9, 0.0);
/// The sentence begins with a quotation mark.
pub(super) const QUOTED: Weight = weight(-0.8, 0.0);
/// The sentence is a question.
pub(super) const QUESTION: Weight = weight(-1.0, 0.0);
/// The sentence has a colon.
pub(super) const COLON: Weight = weight(-1.5, 0.0);
/// The sentence is a dependent sentence: it opens with a pronoun or a connective.
pub(super) const DEPENDENT: Weight = weight(-1.5, 0.0);
/// For each phrase that announces something important.
pub(super) const CUE: Weight = weight(1.3, 0.0);
/// For each phrase that marks something unimportant.
pub(super) const STIGMA: Weight = weight(-1.0, 0.0);
/// For each citation.
pub(super) const CITATION: Weight = weight(-0.2, 0.0);
/// The sentence has the same words as an earlier one.
pub(super) const DUPLICATE: Weight = weight(-0.3, 0.0);
