//! Which words are forms of one.
//!
//! Stemming every word would take a quarter of the engine's time. In languages whose stemmers only
//! cut and change endings, a long word that begins like no other word of the text has no other
//! form in it, and is its own stem.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt};

use super::language::Language;

/// Longer words, in bytes, are taken as they are: no stemmer knows them.
const LONGEST: usize = 64;
/// Letters that the forms of a word share, and bytes of the shortest word that goes by them.
const HEAD: usize = 3;
const LONG: usize = 6;
const COUNTERS: usize = 1 << 14;

/// Distinct words in lower case, and one number for all forms of a word.
pub(super) struct Stems {
    letters: String,
    ends: Vec<usize>,
    /// From the fingerprint of a word to its place.
    places: HashMap<u64, u32>,
    /// From the fingerprint of a stem to its number.
    numbers: HashMap<u64, u32>,
    language: &'static Language,
}

impl Stems {
    pub(super) fn new(language: &'static Language) -> Self {
        Self {
            letters: String::new(),
            ends: Vec::new(),
            places: HashMap::new(),
            numbers: HashMap::new(),
            language,
        }
    }

    /// The place of a word among the distinct ones, and whether it is new.
    pub(super) fn place(&mut self, word: &str, fingerprint: u64) -> (u32, bool) {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(fingerprint).or_insert(next);
        if place == next {
            self.letters.push_str(word);
            self.ends.push(self.letters.len());
        }
        (place, place == next)
    }

    /// Numbers the stems as they first come up; returns the number of each word by its place.
    pub(super) fn number(&mut self) -> Vec<u32> {
        // How many words begin alike, or happen to share a counter with those.
        let mut alike = vec![0u8; COUNTERS];
        for word in self.words() {
            let count = &mut alike[counter(word)];
            *count = count.saturating_add(1);
        }
        let shortcut = self.language.stems_by_ending();
        let mut numbers = HashMap::with_capacity(self.ends.len());
        let found = self
            .words()
            .map(|word| {
                let lone = shortcut && word.len() >= LONG && alike[counter(word)] == 1;
                let stem = if lone { Cow::Borrowed(word) } else { self.stem(word) };
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry(fingerprint(&stem)).or_insert(next)
            })
            .collect();
        self.numbers = numbers;
        found
    }

    /// How many different stems there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of the stem of a word that need not be one of the text.
    pub(super) fn find(&self, word: &str) -> Option<u32> {
        let stem = self.stem(word);
        let number = |stem: &str| self.numbers.get(&fingerprint(stem)).copied();
        number(&stem).or_else(|| number(self.words().find(|form| head(form) == head(word) && self.stem(form) == stem)?))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |end| &self.letters[std::mem::replace(&mut start, *end)..*end])
    }

    fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        match self.language.stemmer() {
            Some(stemmer) if word.len() <= LONGEST => stemmer.stem(word),
            _ => Cow::Borrowed(word),
        }
    }
}

/// FNV-1a: the same on every machine.
pub(super) fn fingerprint(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How a word begins, accents aside: stemmers may drop those.
fn head(word: &str) -> [u8; HEAD] {
    if let Some(head) = word.as_bytes().first_chunk().filter(|head| head.is_ascii()) {
        return *head;
    }
    let mut head = [0; HEAD];
    for (letter, c) in head.iter_mut().zip(word.chars()) {
        *letter = match c {
            'à'..='å' => b'a',
            'ç' => b'c',
            'è'..='ë' => b'e',
            'ì'..='ï' => b'i',
            'ñ' => b'n',
            'ò'..='ö' => b'o',
            'ù'..='ü' => b'u',
            'ß' => b's',
            _ => u8::try_from(c).unwrap_or_default(),
        };
    }
    head
}

fn counter(word: &str) -> usize {
    head(word).iter().fold(0, |sum, byte| sum * 37 + usize::from(*byte)) % COUNTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(tag: &str, words: &str) -> (Stems, Vec<u32>) {
        let mut stems = Stems::new(Language::from_tag(tag));
        for word in words.split(' ') {
            stems.place(word, fingerprint(word));
        }
        let numbers = stems.number();
        (stems, numbers)
    }

    #[test]
    fn forms_of_a_word_have_one_number() {
        for (tag, words, numbers) in [
            (
                "en",
                "bridges bridge bridging abridged connection connected dying die skies sky",
                "0 0 0 1 2 2 3 3 4 4",
            ),
            ("fr", "élections élection maisons maison sévèrement", "0 0 1 1 2"),
            ("es", "árboles árbol arbol nacional nacionales", "0 0 0 1 1"),
            ("de", "häuser haus größe straßen strassen straße", "0 0 1 2 2 2"),
            ("zh", "大桥 桥梁", "0 1"),
        ] {
            let (stems, found) = stems(tag, words);
            let found: Vec<String> = found.iter().map(u32::to_string).collect();
            assert_eq!(found.join(" "), numbers, "{tag}");
            assert!(words.split(' ').all(|word| stems.find(word).is_some()), "{tag}");
        }
    }

    #[test]
    fn a_word_is_found_by_another_form() {
        let (stems, _) = stems("en", "connection");
        assert_eq!(stems.find("connected"), Some(0));
        assert_eq!(stems.find("connive"), None);
    }
}
