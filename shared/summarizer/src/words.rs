//! The words and stems of a text, and their weights.

use foldhash::{HashMap, HashMapExt};
use unicode_segmentation::{UnicodeSegmentation, UnicodeWordIndices};

use super::{
    characters::lowercase,
    language::Language,
    segment::Unit,
    stems::{Stems, fingerprint},
    steps::Steps,
    summary::NoSummary,
};

/// For how many different words memory is taken before they are read. A text of many short
/// sentences has fewer different words than sentences.
const MOST_EXPECTED: usize = 1 << 14;

/// The number of words (UAX #29).
pub(super) fn count(text: &str) -> usize {
    words(text).count()
}

/// The words of a text (UAX #29), with the byte at which each begins.
///
/// A word never contains a space, so that each run between spaces is handled alone. Most runs are
/// one word of plain letters, for which the Unicode tables are not needed.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let mut irregular: Option<(usize, UnicodeWordIndices<'_>)> = None;
    std::iter::from_fn(move || {
        loop {
            if let Some((start, words)) = &mut irregular {
                if let Some((inside, word)) = words.next() {
                    return Some((*start + inside, word));
                }
                irregular = None;
            }
            at += edge(&text.as_bytes()[at..]);
            let run = &text[at..];
            let length = plain_word(run);
            let end = length + edge(&run.as_bytes()[length..]);
            let whole = end == run.len() || run.as_bytes()[length..end].contains(&b' ');
            if whole && length > 0 {
                let word = (at, &run[..length]);
                at += end;
                return Some(word);
            }
            if run.is_empty() {
                return None;
            }
            let space = run.bytes().position(|b| b == b' ').unwrap_or(run.len());
            irregular = Some((at, run[..space].unicode_word_indices()));
            at += space;
        }
    })
}

/// The length in bytes of the spaces and punctuation at the start of a text that belong to no word.
fn edge(text: &[u8]) -> usize {
    let is_edge = |b: &&u8| matches!(b, b' ' | b'.' | b',' | b';' | b':' | b'!' | b'?' | b'"' | b'\'' | b'(' | b')');
    text.iter().take_while(is_edge).count()
}

/// The length in bytes of the plain word that a text begins with. A plain word consists of Latin
/// and Cyrillic letters, ASCII digits, and apostrophes between letters.
fn plain_word(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let letter = |b: &u8| b.is_ascii_alphabetic() || (0xc3..=0xd4).contains(b);
        match bytes.get(at) {
            Some(b'\'') if bytes.get(at + 1).is_some_and(letter) && bytes[..at].last().is_some_and(|b| !b.is_ascii_digit()) => at += 1,
            Some(0xc3..=0xd4) => match text[at..].chars().next() {
                Some('À'..='Ö' | 'Ø'..='ö' | 'ø'..='\u{24f}' | '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}') => at += 2,
                _ => return at,
            },
            _ => return at,
        }
    }
}

/// The counts of the words of one sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// The number of words. In scripts without spaces, two characters count as one word.
    pub words: f64,
    /// The number of words that are not stop words.
    pub content: f64,
    /// The number of words after the first that begin with a capital letter.
    pub capitals: f64,
    /// The number of words of the first person.
    pub first_person: f64,
    /// A hash that is the same for sentences with the same words in any case and spacing.
    pub fingerprint: u64,
}

/// The stemmed content words of all sentences.
pub(super) struct Lexicon<'a> {
    pub tallies: Vec<Tally>,
    /// For each stem, the number of sentences that have it.
    pub frequency: Vec<u32>,
    /// For each stem, its weight `ln(1 + N / frequency)`.
    pub weight: Vec<f64>,
    /// For each stem, one of its words as it is written, in lower case if the text has it in lower
    /// case.
    pub surface: Vec<&'a str>,
    units: &'a [Unit<'a>],
    tokens: Ragged<Token>,
    vectors: Ragged<(u32, f64)>,
    known: HashMap<&'a str, Word>,
    stems: Stems,
    language: &'static Language,
}

/// What is known about a word as it is written.
#[derive(Clone, Copy)]
struct Word {
    stem: Option<u32>,
    first_person: bool,
    capital: bool,
    hash: u64,
}

/// A content word of a sentence.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub stem: u32,
    /// The start in the speech of the sentence, in bytes.
    pub at: usize,
    /// The end in the speech of the sentence, in bytes.
    pub end: usize,
    /// Whether only one character, such as a space or hyphen, is between it and the content word
    /// before it.
    pub follows: bool,
}

/// Rows of different lengths, stored one after the other.
struct Ragged<T> {
    items: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Ragged<T> {
    const fn new() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn close_row(&mut self) {
        self.ends.push(self.items.len());
    }

    fn row(&self, at: usize) -> &[T] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.items[start..self.ends[at]]
    }
}

impl<'a> Lexicon<'a> {
    pub(super) fn build(units: &'a [Unit<'a>], language: &'static Language, steps: &Steps<'_>) -> Result<Self, NoSummary> {
        let mut lexicon = Self {
            tallies: Vec::with_capacity(units.len()),
            frequency: Vec::new(),
            weight: Vec::new(),
            surface: Vec::new(),
            units,
            tokens: Ragged::new(),
            vectors: Ragged::new(),
            known: HashMap::with_capacity((units.len() * 8).min(MOST_EXPECTED)),
            stems: Stems::new(language),
            language,
        };
        let mut lower = String::new();
        for unit in units {
            steps.next()?;
            lexicon.read(unit.speech(), &mut lower);
        }
        steps.next()?;
        lexicon.join_forms();
        steps.next()?;
        lexicon.weigh();
        Ok(lexicon)
    }

    /// The number of sentences.
    pub(super) const fn len(&self) -> usize {
        self.tallies.len()
    }

    /// The content words of a sentence, in their order.
    pub(super) fn tokens(&self, sentence: usize) -> &[Token] {
        self.tokens.row(sentence)
    }

    /// Whether a run of characters in a script without spaces is probably not a word. This is so if
    /// one of its characters is a stop word alone.
    pub(super) fn is_broken(&self, written: &str) -> bool {
        let grammar = |c: char| matches!(c, '\u{3040}'..='\u{309f}') || self.language.is_stop_word(c.encode_utf8(&mut [0; 4]));
        is_spaceless(written) && written.chars().any(grammar)
    }

    /// The text of a sentence from one token to another.
    pub(super) fn written(&self, sentence: usize, from: Token, to: Token) -> &'a str {
        &self.units[sentence].speech()[from.at..to.end]
    }

    /// The distinct stems of a sentence in rising order, each with its weight. The vector has the
    /// length 1.
    pub(super) fn vector(&self, sentence: usize) -> &[(u32, f64)] {
        self.vectors.row(sentence)
    }

    /// The stems of another text that the document has too, in rising order, each once.
    pub(super) fn known_stems(&self, text: &str) -> Vec<u32> {
        let mut lower = String::new();
        let mut stems: Vec<u32> = tokens(text)
            .filter_map(|(_, token)| {
                normalize(token, self.language, &mut lower);
                (!self.language.is_stop_word(&lower)).then_some(())?;
                self.stems.find(&lower)
            })
            .collect();
        stems.sort_unstable();
        stems.dedup();
        stems
    }

    /// The cosine of two sentences.
    pub(super) fn similarity(&self, a: usize, b: usize) -> f64 {
        let (left, right) = (self.vector(a), self.vector(b));
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while let (Some((x, weight)), Some((y, other))) = (left.get(i), right.get(j)) {
            if x == y {
                sum += weight * other;
            }
            i += usize::from(x <= y);
            j += usize::from(y <= x);
        }
        sum
    }

    fn read(&mut self, sentence: &'a str, lower: &mut String) {
        let mut tally = Tally::default();
        let mut before = None;
        for (at, token) in tokens(sentence) {
            let word = self.word(token, lower);
            let spaceless = is_spaceless(token);
            let weight = if spaceless { 0.5 } else { 1.0 };
            tally.words += weight;
            tally.fingerprint = (tally.fingerprint.rotate_left(5) ^ word.hash).wrapping_mul(0x517c_c1b7_2722_0a95);
            tally.capitals += f64::from(u8::from(at > 0 && word.capital));
            tally.first_person += f64::from(u8::from(word.first_person));
            if let Some(stem) = word.stem {
                tally.content += weight;
                let end = at + token.len();
                // In scripts without spaces, tokens are pairs of characters, which overlap.
                let follows = before.is_some_and(|before| if spaceless { at < before } else { at == before + 1 });
                self.tokens.items.push(Token { stem, at, end, follows });
                before = Some(end);
            }
        }
        self.tokens.close_row();
        self.tallies.push(tally);
    }

    fn word(&mut self, token: &'a str, lower: &mut String) -> Word {
        if let Some(word) = self.known.get(token) {
            return *word;
        }
        normalize(token, self.language, lower);
        let is_content = !self.language.is_stop_word(lower) && (lower.len() > 1 || !lower.is_ascii());
        let capital = token.starts_with(char::is_uppercase);
        let hash = fingerprint(lower);
        let word = Word {
            stem: is_content.then(|| self.intern(token, lower, hash, capital)),
            first_person: self.language.is_first_person(lower),
            capital,
            hash,
        };
        self.known.insert(token, word);
        word
    }

    fn intern(&mut self, token: &'a str, lower: &str, hash: u64, capital: bool) -> u32 {
        let (place, new) = self.stems.place(lower, hash);
        let written = &mut self.surface;
        if new {
            written.push(token);
        } else if !capital && written[place as usize].starts_with(char::is_uppercase) {
            written[place as usize] = token;
        }
        place
    }

    /// Gives all forms of a word the number of their stem.
    fn join_forms(&mut self) {
        let numbers = self.stems.number();
        let mut surface: Vec<&str> = Vec::with_capacity(self.stems.len());
        for (written, number) in self.surface.iter().zip(&numbers) {
            match surface.get_mut(*number as usize) {
                None => surface.push(written),
                Some(first) if first.starts_with(char::is_uppercase) && !written.starts_with(char::is_uppercase) => *first = written,
                Some(_) => {}
            }
        }
        for token in &mut self.tokens.items {
            token.stem = numbers[token.stem as usize];
        }
        self.surface = surface;
    }

    /// Counts in how many sentences each stem occurs, and makes the vectors.
    fn weigh(&mut self) {
        let mut distinct: Ragged<(u32, f64)> = Ragged::new();
        let mut row = Vec::new();
        self.frequency = vec![0; self.surface.len()];
        for sentence in 0..self.tallies.len() {
            row.clear();
            row.extend(self.tokens.row(sentence).iter().map(|token| token.stem));
            row.sort_unstable();
            row.dedup();
            for stem in &row {
                self.frequency[*stem as usize] += 1;
                distinct.items.push((*stem, 0.0));
            }
            distinct.close_row();
        }
        let sentences = real(self.tallies.len());
        self.weight = self
            .frequency
            .iter()
            .map(|df| (1.0 + sentences / f64::from((*df).max(1))).ln())
            .collect();
        let mut start = 0;
        for end in &distinct.ends {
            let row = &mut distinct.items[start..*end];
            let norm = row.iter().map(|(stem, _)| self.weight[*stem as usize].powi(2)).sum::<f64>().sqrt();
            for (stem, weight) in row {
                *weight = self.weight[*stem as usize] / norm;
            }
            start = *end;
        }
        self.vectors = distinct;
    }
}

/// The words of a sentence. In scripts without spaces, these are all pairs of neighbouring
/// characters.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut words = words(text).peekable();
    let mut inside = false;
    std::iter::from_fn(move || {
        loop {
            let (at, word) = words.next()?;
            let end = at + word.len();
            if !is_spaceless(word) {
                inside = false;
                return Some((at, word));
            }
            if let Some((next, follower)) = words.peek()
                && *next == end
                && is_spaceless(follower)
            {
                inside = true;
                return Some((at, &text[at..end + follower.len()]));
            }
            // The last character of a run was returned together with the one before it.
            if !std::mem::take(&mut inside) {
                return Some((at, word));
            }
        }
    })
}

/// Whether a word is in a script that is written without spaces between words.
fn is_spaceless(word: &str) -> bool {
    word.starts_with(|c| matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{309f}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'))
}

/// Writes a word to `lower`, in lower case and without an elided article before it (as in `l'eau`).
fn normalize(token: &str, language: &Language, lower: &mut String) {
    let elided = matches!(language.tag, "fr" | "it" | "ca")
        .then(|| token.find(['\'', '’']).filter(|at| *at <= 5))
        .flatten();
    lowercase(elided.map_or(token, |at| token[at..].trim_start_matches(['\'', '’'])), lower);
    if !lower.is_ascii() && lower.contains('’') {
        *lower = lower.replace('’', "'");
    }
}

/// A count as a floating-point number. It is exact for every text that fits in memory.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) const fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_are_those_of_unicode(text in r#"([ .,:'"()_’×👍-]|[a-zA-Z09éßÆжЁαא日カ한][\u{301}\u{ad}\u{200d}]?){0,60}"#) {
            let expected: Vec<_> = text.unicode_word_indices().collect();
            prop_assert_eq!(words(&text).collect::<Vec<_>>(), expected);
        }
    }
}
