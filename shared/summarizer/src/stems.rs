//! Finds out which words are forms of one word.
//!
//! Stemming every word would take a quarter of the engine's time. In some languages the stemmer
//! changes only the endings of words. In these, a long word has no other form in the text if no
//! other word begins in the same way. Such a word is its own stem and is not stemmed.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt};

use super::language::Language;

/// The most bytes of a word that is stemmed. No stemmer knows longer words.
const LONGEST: usize = 64;
/// How many first letters are compared to find words that may be forms of one word.
const HEAD: usize = 3;
/// The fewest bytes of a word that may be left unstemmed because of its first letters.
const LONG: usize = 6;
/// The number of counters for words with the same first letters.
const COUNTERS: usize = 1 << 14;

/// The distinct words of a text in lower case, with one number for all forms of a word.
pub(super) struct Stems {
    letters: String,
    ends: Vec<usize>,
    /// The place of each word, by its fingerprint.
    places: HashMap<u64, u32>,
    /// The number of each stem, by its fingerprint.
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

    /// The place of a word among the distinct words, and whether it is new.
    pub(super) fn place(&mut self, word: &str, fingerprint: u64) -> (u32, bool) {
        let next = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(fingerprint).or_insert(next);
        if place == next {
            self.letters.push_str(word);
            self.ends.push(self.letters.len());
        }
        (place, place == next)
    }

    /// Numbers the stems in the order in which they first occur. Returns the number of each word,
    /// by the place of the word.
    pub(super) fn number(&mut self) -> Vec<u32> {
        // Counts the words with the same first letters. Other words may share their counter, which
        // only means that more words are stemmed than necessary.
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
                let is_alone = shortcut && word.len() >= LONG && alike[counter(word)] == 1;
                let stem = if is_alone { Cow::Borrowed(word) } else { self.stem(word) };
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry(fingerprint(&stem)).or_insert(next)
            })
            .collect();
        self.numbers = numbers;
        found
    }

    /// The number of different stems.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of the stem of any word, or `None` if the text has no form of it.
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

/// The FNV-1a hash of a word, which is the same on every machine.
pub(super) fn fingerprint(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The first letters of a word without their accents, because stemmers may remove accents.
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
