//! Fills the budget with sentences that tell much and repeat little.

use unicode_segmentation::UnicodeSegmentation;

use super::{
    Budget, Options, Score, Sentence, Sort, Truncation,
    segment::Unit,
    words::{self, Lexicon, real},
};

/// How much a sentence loses for resembling one already chosen.
const REPETITION: f64 = 2.5;
/// Candidates looked at, best first: keeps the choice linear in the text.
const CANDIDATES: usize = 400;
/// A sentence this like a chosen one says nothing new.
const DUPLICATE: f64 = 0.95;

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

pub(super) fn select(units: &[Unit<'_>], scores: &[Score], lexicon: &Lexicon, options: &Options<'_>, characters: usize) -> Selection {
    let mut candidates: Vec<usize> = (0..units.len()).collect();
    candidates.sort_by_key(|i| scores[*i].rank);
    if candidates.iter().any(|i| !units[*i].heading) {
        candidates.retain(|i| !units[*i].heading);
    }
    let best = candidates[0];
    candidates.truncate(CANDIDATES);

    let folded: Vec<String> = candidates.iter().map(|i| fold(units[*i].text)).collect();
    let mut likeness = vec![0.0f64; candidates.len()];
    let mut open: Vec<usize> = (0..candidates.len()).collect();
    let mut chosen: Vec<usize> = Vec::new();
    let mut room = Room::of(options.budget, characters);
    while let Some(pick) = open
        .iter()
        .copied()
        .filter(|c| room.after(&folded[*c], chosen.is_empty()).is_some())
        .max_by(|a, b| {
            value(scores, &candidates, &likeness, *a)
                .total_cmp(&value(scores, &candidates, &likeness, *b))
                .then(b.cmp(a))
        })
    {
        room = room.after(&folded[pick], chosen.is_empty()).unwrap_or(room);
        chosen.push(pick);
        for c in &open {
            likeness[*c] = likeness[*c].max(lexicon.similarity(candidates[*c], candidates[pick]));
        }
        open.retain(|c| *c != pick && likeness[*c] < DUPLICATE && folded[*c] != folded[pick]);
    }
    if chosen.is_empty() {
        return truncated(&units[best], scores[best], room);
    }
    if options.sort == Sort::Position {
        chosen.sort_by_key(|c| candidates[*c]);
    }
    Selection {
        text: chosen.iter().map(|c| folded[*c].as_str()).collect::<Vec<_>>().join(" "),
        sentences: chosen
            .iter()
            .map(|c| Sentence {
                text: units[candidates[*c]].text.to_owned(),
                score: scores[candidates[*c]],
            })
            .collect(),
        truncation: Truncation::None,
    }
}

fn value(scores: &[Score], candidates: &[usize], likeness: &[f64], candidate: usize) -> f64 {
    scores[candidates[candidate]].score - REPETITION * likeness[candidate]
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The best sentence, cut to the room there is: after a word, or inside the first one.
fn truncated(unit: &Unit<'_>, score: Score, room: Room) -> Selection {
    let fits = |end: usize| room.after(&fold(&unit.text[..end]), true).is_some();
    let word_ends = unit.text.unicode_word_indices().map(|(at, word)| at + word.len());
    let (end, truncation) = word_ends.take_while(|end| fits(*end)).last().map_or_else(
        || {
            let ends = unit.text.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
            (ends.take_while(|end| fits(*end)).last().unwrap_or(0), Truncation::Character)
        },
        |end| (end, Truncation::Word),
    );
    let text = &unit.text[..end];
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
        text: fold(text),
        sentences: vec![Sentence {
            text: text.to_owned(),
            score,
        }],
        truncation,
    }
}
