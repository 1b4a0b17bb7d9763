//! Detects the language of a text, and holds the tables of each language.

mod phrases;

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind, StartKind};
use foldhash::HashSet;
use frostem::{Algorithm, Stemmer};

use phrases::{FURNITURE, Phrases};

/// How many bytes of a text are used to detect its language.
const SAMPLE: usize = 600;
/// The share of words that must be stop words of a guessed language to confirm the guess.
const CONFIRMED: f64 = 0.15;

/// A phrase that marks a citation with several authors.
const CITATION: &str = "et al";

/// A language with its tables. They are built once per process, at their first use.
pub(super) struct Language {
    /// The BCP 47 tag, or `und` if the language is unknown.
    pub tag: &'static str,
    stemmer: Option<Algorithm>,
    stop_words: HashSet<&'static str>,
    first_person: HashSet<&'static str>,
    phrases: Phrases,
    /// The cue phrases, then the stigma phrases, then the marks of a citation.
    marks: Option<AhoCorasick>,
    /// The connectives and pronouns.
    openers: Option<AhoCorasick>,
    /// The beginnings of page furniture.
    furniture: Option<AhoCorasick>,
}

/// How a sentence begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Plain,
    /// A pronoun that stands for something in an earlier sentence.
    Pronoun,
    /// A word that connects the sentence with the one before it.
    Connective,
}

/// The tag and the stemmer of each language. A language without a stemmer has stop words, rules for
/// sentences, or both.
const KNOWN: [(&str, Option<Algorithm>); 50] = [
    ("und", None),
    ("am", None),
    ("ar", Some(Algorithm::Arabic)),
    ("bg", None),
    ("bn", None),
    ("ca", Some(Algorithm::Catalan)),
    ("cs", Some(Algorithm::Czech)),
    ("da", Some(Algorithm::Danish)),
    ("de", Some(Algorithm::German)),
    ("el", Some(Algorithm::Greek)),
    ("en", Some(Algorithm::English)),
    ("es", Some(Algorithm::Spanish)),
    ("et", Some(Algorithm::Estonian)),
    ("fa", Some(Algorithm::Persian)),
    ("fi", Some(Algorithm::Finnish)),
    ("fr", Some(Algorithm::French)),
    ("gu", None),
    ("he", None),
    ("hi", Some(Algorithm::Hindi)),
    ("hr", None),
    ("hu", Some(Algorithm::Hungarian)),
    ("hy", Some(Algorithm::Armenian)),
    ("id", Some(Algorithm::Indonesian)),
    ("it", Some(Algorithm::Italian)),
    ("ja", None),
    ("kk", None),
    ("kn", None),
    ("ko", None),
    ("lt", Some(Algorithm::Lithuanian)),
    ("lv", None),
    ("ml", None),
    ("mr", None),
    ("my", None),
    ("nl", Some(Algorithm::Dutch)),
    ("no", Some(Algorithm::Norwegian)),
    ("pa", None),
    ("pl", Some(Algorithm::Polish)),
    ("pt", Some(Algorithm::Portuguese)),
    ("ro", Some(Algorithm::Romanian)),
    ("ru", Some(Algorithm::Russian)),
    ("sk", None),
    ("sv", Some(Algorithm::Swedish)),
    ("ta", Some(Algorithm::Tamil)),
    ("te", None),
    ("th", None),
    ("tr", Some(Algorithm::Turkish)),
    ("uk", None),
    ("ur", None),
    ("vi", None),
    ("zh", None),
];
static TABLES: [OnceLock<Language>; KNOWN.len()] = [const { OnceLock::new() }; KNOWN.len()];

impl Language {
    /// The language of a BCP 47 tag, or the unknown language. Region and script are ignored.
    pub(super) fn from_tag(tag: &str) -> &'static Self {
        let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let primary = if primary == "nb" || primary == "nn" { "no" } else { &primary };
        let at = KNOWN.iter().position(|(code, _)| *code == primary).unwrap_or(0);
        TABLES[at].get_or_init(|| Self::build(KNOWN[at].0, KNOWN[at].1))
    }

    /// Detects the language from the first 600 bytes. Some scripts belong to one language. For
    /// others, the language is guessed by groups of letters, and stop words must confirm the guess.
    /// If they do not, the language is unknown.
    pub(super) fn detect(text: &str) -> &'static Self {
        let sample = text[..text.floor_char_boundary(SAMPLE)].trim_start();
        if let Some(tag) = by_script(sample) {
            return Self::from_tag(tag);
        }
        let guess = Self::from_tag(by_letters(sample));
        let share = guess.share_of_stop_words(sample);
        if guess.is_spaceless() || share >= CONFIRMED {
            return guess;
        }
        // The guess by groups of letters knows only a few languages. Stop words are known for more.
        let others = [
            "pl", "cs", "sk", "da", "no", "fi", "hu", "ro", "hr", "ca", "id", "et", "lt", "lv", "bg", "uk", "en",
        ];
        let best = others
            .iter()
            .map(|tag| (Self::from_tag(tag), Self::from_tag(tag).share_of_stop_words(sample)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((language, best)) if best >= CONFIRMED && best > share => language,
            _ => Self::from_tag("und"),
        }
    }

    fn build(tag: &'static str, stemmer: Option<Algorithm>) -> Self {
        let phrases = phrases::of(tag);
        Self {
            tag,
            stemmer,
            stop_words: stop_words::lookup(tag)
                .unwrap_or_default()
                .iter()
                .chain(phrases.fillers)
                .copied()
                .collect(),
            first_person: phrases.first_person.iter().copied().collect(),
            marks: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::DFA))
                .build(phrases.cues.iter().chain(phrases.stigmas).chain(&[CITATION]))
                .ok(),
            openers: beginnings(phrases.connectives.iter().chain(phrases.pronouns)),
            furniture: beginnings(phrases.furniture.iter().chain(&FURNITURE)),
            phrases,
        }
    }

    pub(super) fn stemmer(&self) -> Option<Stemmer> {
        self.stemmer.map(Stemmer::new)
    }

    /// Whether the stemmer changes only the ending and the accents of a word.
    pub(super) fn stems_by_ending(&self) -> bool {
        matches!(self.tag, "de" | "en" | "es" | "fr" | "it" | "pt")
    }

    /// Whether a word in lower case is a stop word.
    pub(super) fn is_stop_word(&self, lower: &str) -> bool {
        self.stop_words.contains(lower)
    }

    /// Whether a word in lower case is a word of the first person.
    pub(super) fn is_first_person(&self, lower: &str) -> bool {
        self.first_person.contains(lower)
    }

    /// Whether the language is written without spaces between words.
    pub(super) fn is_spaceless(&self) -> bool {
        matches!(self.tag, "zh" | "ja" | "th" | "my")
    }

    /// The numbers of cue phrases, stigma phrases and marks of a citation in a sentence.
    pub(super) fn marks(&self, sentence: &str) -> [usize; 3] {
        let bytes = sentence.as_bytes();
        let inside_word = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
        let (cues, stigmas) = (self.phrases.cues.len(), self.phrases.stigmas.len());
        let mut counts = [0; 3];
        for found in self.marks.iter().flat_map(|marks| marks.find_iter(sentence)) {
            let before = found.start().checked_sub(1).and_then(|at| bytes.get(at));
            if inside_word(before) || inside_word(bytes.get(found.end())) {
                continue;
            }
            let pattern = found.pattern().as_usize();
            counts[usize::from(pattern >= cues) + usize::from(pattern >= cues + stigmas)] += 1;
        }
        counts
    }

    /// How a sentence in lower case begins, without quotation marks.
    pub(super) fn opener(&self, lower: &str) -> Opener {
        let lower = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
        if !is_at_start(self.openers.as_ref(), lower) {
            return Opener::Plain;
        }
        if self.phrases.connectives.iter().any(|phrase| begins(lower, phrase)) {
            return Opener::Connective;
        }
        let Some(pronoun) = self.phrases.pronouns.iter().find(|phrase| begins(lower, phrase)) else {
            return Opener::Plain;
        };
        let next = lower[pronoun.len()..].trim_start();
        if self.phrases.present.iter().any(|phrase| begins(next, phrase)) {
            return Opener::Plain;
        }
        Opener::Pronoun
    }

    /// Whether a line in lower case belongs to the page around the text.
    pub(super) fn is_furniture(&self, lower: &str) -> bool {
        is_at_start(self.furniture.as_ref(), lower)
    }

    fn share_of_stop_words(&self, sample: &str) -> f64 {
        let (mut words, mut stop) = (0u32, 0u32);
        let mut lower = String::new();
        for word in sample.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            words += 1;
            super::characters::lowercase(word, &mut lower);
            stop += u32::from(self.stop_words.contains(lower.as_str()));
        }
        f64::from(stop) / f64::from(words.max(1))
    }
}

fn beginnings<'p>(phrases: impl Iterator<Item = &'p &'static str>) -> Option<AhoCorasick> {
    AhoCorasick::builder().start_kind(StartKind::Anchored).build(phrases).ok()
}

fn is_at_start(phrases: Option<&AhoCorasick>, text: &str) -> bool {
    phrases.is_some_and(|phrases| phrases.find(Input::new(text).anchored(Anchored::Yes)).is_some())
}

/// Whether `text` begins with a whole phrase.
fn begins(text: &str, phrase: &str) -> bool {
    text.strip_prefix(phrase)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\'' || c == '’'))
}

fn by_script(sample: &str) -> Option<&'static str> {
    let mut letters = sample.chars().filter(|c| c.is_alphabetic()).take(200).peekable();
    letters.peek()?;
    let mut counts = [0u32; SCRIPTS.len()];
    let mut all = 0u32;
    for c in letters {
        all += 1;
        if let Some(at) = SCRIPTS.iter().position(|(range, _)| range.contains(&c)) {
            counts[at] += 1;
        }
    }
    let (at, most) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    (most * 2 > all).then_some(SCRIPTS[at].1)
}

/// Scripts that belong to one of the known languages, or almost only to it.
const SCRIPTS: [(std::ops::RangeInclusive<char>, &str); 14] = [
    ('\u{0370}'..='\u{03ff}', "el"),
    ('\u{0530}'..='\u{058f}', "hy"),
    ('\u{0590}'..='\u{05ff}', "he"),
    ('\u{0980}'..='\u{09ff}', "bn"),
    ('\u{0a00}'..='\u{0a7f}', "pa"),
    ('\u{0a80}'..='\u{0aff}', "gu"),
    ('\u{0b80}'..='\u{0bff}', "ta"),
    ('\u{0c00}'..='\u{0c7f}', "te"),
    ('\u{0c80}'..='\u{0cff}', "kn"),
    ('\u{0d00}'..='\u{0d7f}', "ml"),
    ('\u{0e00}'..='\u{0e7f}', "th"),
    ('\u{1000}'..='\u{109f}', "my"),
    ('\u{1200}'..='\u{137f}', "am"),
    ('\u{ac00}'..='\u{d7af}', "ko"),
];

fn by_letters(sample: &str) -> &'static str {
    use whichlang::Lang;
    match whichlang::detect_language(sample) {
        Lang::Ara if sample.contains(['ٹ', 'ڈ', 'ے', 'ں']) => "ur",
        Lang::Ara if sample.contains(['پ', 'چ', 'ژ', 'گ']) => "fa",
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    }
}
