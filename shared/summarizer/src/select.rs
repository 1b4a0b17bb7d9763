//! Fills the length with important sentences that repeat little and can be understood alone.
//!
//! The choice is greedy by maximal marginal relevance. A dependent sentence is chosen together with
//! the sentence before it, or not at all. A list item is chosen together with the sentence that
//! introduces the list. Headings, page furniture, and dependent sentences alone are chosen only if
//! the text has nothing better.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::{
    budget::Budget,
    characters::is_blank,
    features::Features,
    language::Opener,
    options::{Options, Sort},
    rank,
    segment::{Role, Unit},
    steps::Steps,
    summary::{NoSummary, Score, Sentence, Truncation},
    words::{self, Lexicon, real},
};

/// How much a sentence loses if it resembles a chosen one. The second number is added in long
/// documents.
const REPETITION: (f64, f64) = (2.5, 0.4);
/// How many of the best sentences are candidates. This limit keeps the time linear in the text.
const CANDIDATES: usize = 400;
/// From this cosine on, a sentence counts as a repetition of a chosen one.
const DUPLICATE: f64 = 0.95;
/// The fewest words of a sentence, and the fewest words of a sentence without a mark at its end.
const SENTENCE: (f64, f64) = (3.0, 5.0);
/// How many sentences may be chosen together with a dependent sentence.
const MOST_NEEDED: usize = 2;

pub(super) struct Selection {
    pub text: String,
    pub sentences: Vec<Sentence>,
    pub truncation: Truncation,
}

/// How much of the length is left, in its unit.
#[derive(Clone, Copy)]
enum Room {
    Sentences(usize),
    Words(usize),
    Characters(usize),
}

impl Room {
    fn of(budget: Budget, characters: usize) -> Self {
        match budget {
            Budget::Sentences(n) => Self::Sentences(n as usize),
            Budget::Words(n) => Self::Words(n as usize),
            Budget::Characters(n) => Self::Characters(n as usize),
            Budget::Ratio(ratio) => Self::Characters(share(characters, ratio)),
        }
    }

    /// What is left after adding `text`, or `None` if it does not fit.
    fn after(self, text: &str, first: bool) -> Option<Self> {
        match self {
            Self::Sentences(n) => n.checked_sub(1).map(Self::Sentences),
            Self::Words(n) => n.checked_sub(words::count(text)).map(Self::Words),
            Self::Characters(n) => n.checked_sub(text.chars().count() + usize::from(!first)).map(Self::Characters),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count is between 0 and the count"
)]
fn share(characters: usize, ratio: f64) -> usize {
    (real(characters) * ratio.clamp(0.0, 1.0)).floor() as usize
}

/// How suitable a sentence is for a summary, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    Whole,
    /// A part of a quotation, or a text of a few words.
    Broken,
    /// A line that belongs to the page around the text.
    Furniture,
    Heading,
}

fn fitness(unit: &Unit<'_>, features: &Features, words: f64) -> Fitness {
    let scrap = words < SENTENCE.0 || (words < SENTENCE.1 && !features.has_end_mark);
    if unit.role == Role::Heading {
        Fitness::Heading
    } else if features.furniture {
        Fitness::Furniture
    } else if features.unbalanced || scrap {
        Fitness::Broken
    } else {
        Fitness::Whole
    }
}

/// The state of the choice. A candidate is the number of its sentence in the document.
struct Choice<'a> {
    units: &'a [Unit<'a>],
    features: &'a [Features],
    scores: &'a [Score],
    lexicon: &'a Lexicon<'a>,
    repetition: f64,
    /// The first sentence that is not a heading.
    first: usize,
    /// What a reader would see of each sentence. It is filled when it is first needed.
    shown: Vec<Option<Cow<'a, str>>>,
    likeness: Vec<f64>,
    chosen: Vec<usize>,
    taken: Vec<bool>,
    room: Room,
}

pub(super) fn select(
    units: &[Unit<'_>],
    features: &[Features],
    scores: &[Score],
    lexicon: &Lexicon<'_>,
    options: &Options<'_>,
    characters: usize,
    steps: &Steps<'_>,
) -> Result<Selection, NoSummary> {
    let fit: Vec<Fitness> = (0..units.len())
        .map(|i| fitness(&units[i], &features[i], lexicon.tallies[i].words))
        .collect();
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by_key(|i| (fit[*i], scores[*i].rank));
    let best = order[0];
    let mut choice = Choice {
        units,
        features,
        scores,
        lexicon,
        repetition: REPETITION.0 + REPETITION.1 * rank::long_share(units.len()),
        first: units.iter().position(|unit| unit.role != Role::Heading).unwrap_or(units.len()),
        shown: vec![None; units.len()],
        likeness: vec![0.0; units.len()],
        chosen: Vec::new(),
        taken: vec![false; units.len()],
        room: Room::of(options.budget, characters),
    };
    let all: Vec<usize> = (0..units.len()).filter(|i| fit[*i] <= Fitness::Broken).collect();
    if !all.is_empty() && all.len() <= CANDIDATES && choice.fits(&all) {
        choice.take_all(&all);
        return Ok(choice.finish(options.sort));
    }
    // The most suitable sentences are tried first. Less suitable ones are tried only if nothing was
    // chosen.
    for level in [Fitness::Whole, Fitness::Broken, Fitness::Furniture, Fitness::Heading] {
        let candidates: Vec<usize> = order.iter().copied().filter(|i| fit[*i] == level).take(CANDIDATES).collect();
        for dependent in [false, true] {
            choice.fill(&candidates, dependent, steps)?;
            if !choice.chosen.is_empty() {
                return Ok(choice.finish(options.sort));
            }
        }
    }
    Ok(truncated(&units[best], scores[best], choice.room))
}

impl Choice<'_> {
    /// Chooses all candidates except repetitions.
    fn take_all(&mut self, candidates: &[usize]) {
        for i in candidates {
            if !self.repeats(*i) {
                self.take(*i, candidates);
            }
        }
    }

    /// Chooses candidates as long as one fits. Only if `dependent` is set, a dependent sentence may
    /// be chosen without the sentence before it.
    fn fill(&mut self, candidates: &[usize], dependent: bool, steps: &Steps<'_>) -> Result<(), NoSummary> {
        let mut open = candidates.to_vec();
        loop {
            open.retain(|i| !self.taken[*i] && !self.repeats(*i));
            let mut best: Option<(f64, Vec<usize>)> = None;
            for i in &open {
                steps.next()?;
                let Some(group) = self.group(*i, dependent) else { continue };
                let value = group.iter().map(|i| self.value(*i)).sum::<f64>() / real(group.len());
                if best.as_ref().is_none_or(|(most, _)| value > *most) && self.fits(&group) {
                    best = Some((value, group));
                }
            }
            let Some((_, group)) = best else { return Ok(()) };
            for i in group {
                self.take(i, &open);
            }
        }
    }

    /// A candidate together with the sentences that it needs, or `None` if one of these cannot be
    /// chosen.
    fn group(&self, candidate: usize, dependent: bool) -> Option<Vec<usize>> {
        let mut group = vec![candidate];
        let mut first = candidate;
        while let Some(needed) = self.needs(first) {
            if self.taken[needed] {
                break;
            }
            if dependent {
                return Some(vec![candidate]);
            }
            let fits = self
                .features
                .get(needed)
                .is_some_and(|features| !features.furniture && !features.unbalanced);
            if group.len() > MOST_NEEDED || !fits || self.units[needed].role == Role::Heading || self.repeats(needed) {
                return None;
            }
            group.push(needed);
            first = needed;
        }
        group.reverse();
        Some(group)
    }

    /// The sentence that this one needs.
    fn needs(&self, i: usize) -> Option<usize> {
        if let Some(lead_in) = self.units[i].lead_in {
            return Some(lead_in);
        }
        (self.features[i].opener != Opener::Plain && i > self.first).then(|| i - 1)
    }

    fn value(&self, i: usize) -> f64 {
        self.scores[i].score - self.repetition * self.likeness[i]
    }

    fn repeats(&self, i: usize) -> bool {
        self.likeness[i] >= DUPLICATE
    }

    fn fits(&mut self, group: &[usize]) -> bool {
        if let Room::Sentences(most) = self.room {
            return group.len() <= most;
        }
        let mut room = Some(self.room);
        let mut first = self.chosen.is_empty();
        for i in group {
            room = room.and_then(|room| room.after(self.shown(*i), first));
            first = false;
        }
        room.is_some()
    }

    fn shown(&mut self, i: usize) -> &str {
        let units = self.units;
        self.shown[i].get_or_insert_with(|| fold(&units[i].shown))
    }

    fn take(&mut self, i: usize, open: &[usize]) {
        let (room, first) = (self.room, self.chosen.is_empty());
        self.room = room.after(self.shown(i), first).unwrap_or(room);
        self.taken[i] = true;
        self.chosen.push(i);
        for other in open {
            let same = self.lexicon.tallies[*other].fingerprint == self.lexicon.tallies[i].fingerprint;
            let likeness = if same { 1.0 } else { self.lexicon.similarity(*other, i) };
            self.likeness[*other] = self.likeness[*other].max(likeness);
        }
    }

    fn finish(mut self, sort: Sort) -> Selection {
        match sort {
            Sort::Position => self.chosen.sort_unstable(),
            Sort::Rank => self.chosen.sort_by_key(|i| self.scores[*i].rank),
        }
        let shown = |i: &usize| self.shown[*i].as_deref().unwrap_or_default();
        Selection {
            text: self.chosen.iter().map(shown).collect::<Vec<_>>().join(" "),
            sentences: self
                .chosen
                .iter()
                .map(|i| Sentence {
                    text: self.units[*i].source.to_owned(),
                    score: self.scores[*i],
                })
                .collect(),
            truncation: Truncation::None,
        }
    }
}

/// Folds each run of white space to one space, and removes characters that cannot be seen.
fn fold(text: &str) -> Cow<'_, str> {
    let needs_folding = |pair: &[u8]| pair[0] < b' ' || pair[0] == 0x7f || pair[0] >= 0x80 || pair == b"  ";
    if !text.as_bytes().windows(2).any(needs_folding) && text.ends_with(|c: char| c.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = !folded.is_empty();
        } else if !is_blank(c) {
            if std::mem::take(&mut gap) {
                folded.push(' ');
            }
            folded.push(c);
        }
    }
    Cow::Owned(folded)
}

/// Cuts the best sentence so that it fits: after a clause, after a word, or inside the first word.
fn truncated(unit: &Unit<'_>, score: Score, room: Room) -> Selection {
    let fits = |end: usize| room.after(&fold(&unit.source[..end]), true).is_some();
    let fitting: Vec<usize> = unit
        .source
        .unicode_word_indices()
        .map(|(at, word)| at + word.len())
        .take_while(|end| fits(*end))
        .collect();
    let (end, truncation) = fitting.last().map_or_else(
        || {
            let ends = unit.source.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
            (ends.take_while(|end| fits(*end)).last().unwrap_or(0), Truncation::Character)
        },
        |last| (clause(unit.source, &fitting).unwrap_or(*last), Truncation::Word),
    );
    let text = &unit.source[..end];
    if text.is_empty() {
        return Selection {
            text: String::new(),
            sentences: Vec::new(),
            truncation,
        };
    }
    let score = Score {
        length: text.chars().count(),
        ..score
    };
    Selection {
        text: fold(text).into_owned(),
        sentences: vec![Sentence {
            text: text.to_owned(),
            score,
        }],
        truncation,
    }
}

/// The last end of a clause that keeps at least two thirds of the words that fit, if there is one.
fn clause(text: &str, ends: &[usize]) -> Option<usize> {
    let enough = (ends.len() * 2).div_ceil(3).max(1);
    ends[enough - 1..].iter().rev().copied().find(|end| {
        text[*end..].starts_with([',', ';', ':', '，', '；', '、']) || text[*end..].starts_with(" –") || text[*end..].starts_with(" —")
    })
}
