//! Fills the budget with sentences that tell much, repeat little and stand on their own.
//!
//! Greedy by maximal marginal relevance. A sentence that leans on the one before it comes with it
//! or not at all, an item comes with its lead-in; only a text that has nothing better gives
//! headings, page furniture or leaning sentences.

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
    summary::{Score, Sentence, Truncation},
    words::{self, Lexicon, real},
};

/// How much a sentence loses for resembling one already chosen; more in long documents.
const REPETITION: (f64, f64) = (2.5, 0.4);
/// Candidates looked at, best first: keeps the choice linear in the text.
const CANDIDATES: usize = 400;
/// A sentence this like a chosen one says nothing new.
const DUPLICATE: f64 = 0.95;
/// Words of the shortest sentence, and of the shortest one that does not end like one.
const SENTENCE: (f64, f64) = (3.0, 5.0);
/// Most sentences that come along with one that leans on them.
const ALONG: usize = 2;

pub(super) struct Selection {
    pub text: String,
    pub sentences: Vec<Sentence>,
    pub truncation: Truncation,
}

/// Room left, in the unit of the budget.
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

    /// What remains after adding `text`, or `None` if it does not fit.
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
    reason = "a share of a count lies between 0 and the count"
)]
fn share(characters: usize, ratio: f64) -> usize {
    (real(characters) * ratio.clamp(0.0, 1.0)).floor() as usize
}

/// How fit a sentence is to be shown, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    Whole,
    /// Half of a quotation, a greeting, an exclamation.
    Broken,
    /// Page furniture.
    Furniture,
    Heading,
}

fn fitness(unit: &Unit<'_>, features: &Features, words: f64) -> Fitness {
    let scrap = words < SENTENCE.0 || (words < SENTENCE.1 && !features.ends);
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

/// The choice while it is made. Candidates go by their place in the document.
struct Choice<'a> {
    units: &'a [Unit<'a>],
    features: &'a [Features],
    scores: &'a [Score],
    lexicon: &'a Lexicon<'a>,
    repetition: f64,
    /// What each candidate would show; empty for what is no candidate.
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
) -> Selection {
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
        repetition: REPETITION.0 + REPETITION.1 * rank::longness(units.len()),
        shown: vec![None; units.len()],
        likeness: vec![0.0; units.len()],
        chosen: Vec::new(),
        taken: vec![false; units.len()],
        room: Room::of(options.budget, characters),
    };
    let all: Vec<usize> = (0..units.len()).filter(|i| fit[*i] <= Fitness::Broken).collect();
    if !all.is_empty() && all.len() <= CANDIDATES && choice.fits(&all) {
        choice.take_all(&all);
        return choice.finish(options.sort);
    }
    // What is fit first; what is less so only while there is nothing at all.
    for level in [Fitness::Whole, Fitness::Broken, Fitness::Furniture, Fitness::Heading] {
        let candidates: Vec<usize> = order.iter().copied().filter(|i| fit[*i] == level).take(CANDIDATES).collect();
        for leaning in [false, true] {
            choice.fill(&candidates, leaning);
            if !choice.chosen.is_empty() {
                return choice.finish(options.sort);
            }
        }
    }
    truncated(&units[best], scores[best], choice.room)
}

impl Choice<'_> {
    /// Adds all candidates but those that repeat another.
    fn take_all(&mut self, candidates: &[usize]) {
        for i in candidates {
            if !self.repeats(*i) {
                self.take(*i, candidates);
            }
        }
    }

    /// Adds candidates while one fits. Those that lean on what is missing only if `leaning`.
    fn fill(&mut self, candidates: &[usize], leaning: bool) {
        let mut open = candidates.to_vec();
        loop {
            open.retain(|i| !self.taken[*i] && !self.repeats(*i));
            let mut best: Option<(f64, Vec<usize>)> = None;
            for i in &open {
                let Some(group) = self.group(*i, leaning) else { continue };
                let value = group.iter().map(|i| self.value(*i)).sum::<f64>() / real(group.len());
                if best.as_ref().is_none_or(|(most, _)| value > *most) && self.fits(&group) {
                    best = Some((value, group));
                }
            }
            let Some((_, group)) = best else { return };
            for i in group {
                self.take(i, &open);
            }
        }
    }

    /// A candidate and what it cannot stand without, or `None` if that is not to be had.
    fn group(&self, candidate: usize, leaning: bool) -> Option<Vec<usize>> {
        let mut group = vec![candidate];
        let mut first = candidate;
        while let Some(needed) = self.needs(first) {
            if self.taken[needed] {
                break;
            }
            if leaning {
                return Some(vec![candidate]);
            }
            let fits = self
                .features
                .get(needed)
                .is_some_and(|features| !features.furniture && !features.unbalanced);
            if group.len() > ALONG || !fits || self.units[needed].role == Role::Heading || self.repeats(needed) {
                return None;
            }
            group.push(needed);
            first = needed;
        }
        group.reverse();
        Some(group)
    }

    /// The sentence this one leans on.
    fn needs(&self, i: usize) -> Option<usize> {
        if let Some(lead_in) = self.units[i].lead_in {
            return Some(lead_in);
        }
        let opens = self.units[..i].iter().all(|unit| unit.role == Role::Heading);
        (self.features[i].opener != Opener::Plain && !opens).then(|| i - 1)
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

/// Runs of white space folded to one space, what cannot be seen left out.
fn fold(text: &str) -> Cow<'_, str> {
    let odd = |pair: &[u8]| pair[0] < b' ' || pair[0] == 0x7f || pair[0] >= 0x80 || pair == b"  ";
    if !text.as_bytes().windows(2).any(odd) && text.ends_with(|c: char| c.is_ascii_graphic()) {
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

/// The best sentence, cut to the room there is: after a clause, a word, or inside the first word.
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

/// The last end of a clause, if it keeps at least two thirds of the words that fit.
fn clause(text: &str, ends: &[usize]) -> Option<usize> {
    let enough = (ends.len() * 2).div_ceil(3).max(1);
    ends[enough - 1..].iter().rev().copied().find(|end| {
        text[*end..].starts_with([',', ';', ':', '，', '；', '、']) || text[*end..].starts_with(" –") || text[*end..].starts_with(" —")
    })
}
