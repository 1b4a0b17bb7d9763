//! The features of a single sentence, and whether it can be understood alone.

use memchr::{memchr2_iter, memchr3};

use super::{
    characters::lowercase,
    language::{Language, Opener},
    segment::{Role, Unit},
    words,
};

/// The features of one sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each field is a feature of its own")]
pub(super) struct Features {
    /// Whether the text ends with a mark that ends sentences.
    pub has_end_mark: bool,
    pub quoted: bool,
    pub question: bool,
    pub colon: bool,
    pub opener: Opener,
    pub cues: f64,
    pub stigmas: f64,
    pub citations: f64,
    /// Whether the sentence belongs to the page around the text, such as a date line, a byline, or
    /// "read more".
    pub furniture: bool,
    /// Whether a quotation or bracket is opened and not closed, or closed and not opened.
    pub unbalanced: bool,
}

const OPENING: [char; 9] = ['"', '\'', '“', '‘', '«', '„', '‹', '»', '「'];
const ENDING: [char; 22] = [
    '.', '!', '?', '"', '”', '»', ')', '…', '。', '।', '؟', '۔', '！', '？', '」', '．', '。', '՝', '։', '።', '။', '᠃',
];

impl Features {
    /// Reads the features of a sentence. `lower` is a buffer that is used again for each sentence.
    pub(super) fn read(unit: &Unit<'_>, language: &Language, lower: &mut String) -> Self {
        let text = unit.speech();
        let head = &text[..text.floor_char_boundary(60)];
        lowercase(head, lower);
        if !lower.is_ascii() {
            *lower = lower.replace('’', "'");
        }
        let [cues, stigmas, authors] = language.marks(text);
        Self {
            has_end_mark: text.ends_with(ENDING),
            quoted: text.starts_with(OPENING),
            question: text
                .trim_end_matches(['"', '”', '»', ')', '\'', '’', ' '])
                .ends_with(['?', '？', '؟', '\u{37e}']),
            colon: text.contains(':') || text.contains('：'),
            opener: language.opener(lower),
            cues: small(cues.min(2)),
            stigmas: small(stigmas.min(2)),
            citations: small((authors + citations(text)).min(2)),
            furniture: unit.role != Role::Heading && is_furniture(text, lower, language),
            unbalanced: !is_balanced(text),
        }
    }
}

fn small(count: usize) -> f64 {
    words::real(count)
}

/// Counts references to literature, such as `[12]` and `(Smith, 1999)`.
fn citations(text: &str) -> usize {
    let mut found = 0;
    for at in memchr2_iter(b'[', b'(', text.as_bytes()) {
        let inside = &text[at + 1..];
        let Some(close) = inside.bytes().take(80).position(|b| b == b']' || b == b')') else {
            continue;
        };
        let inside = &inside[..close];
        let numbers = text.as_bytes()[at] == b'[' && inside.bytes().all(|b| b.is_ascii_digit() || b", -".contains(&b));
        let year = inside.bytes().rev().take_while(u8::is_ascii_alphanumeric).count() >= 4
            && inside.contains(", ")
            && inside.trim_end_matches(char::is_alphabetic).ends_with(|c: char| c.is_ascii_digit());
        found += usize::from((numbers && !inside.is_empty()) || year);
    }
    found
}

/// Whether a line belongs to the page around the text.
fn is_furniture(text: &str, lower: &str, language: &Language) -> bool {
    let short = text.len() <= 160;
    let ends = text.ends_with(ENDING);
    let starts = short && language.is_furniture(lower) && (!ends || text.len() <= 80 || text.contains(':'));
    let byline = !ends
        && text.len() <= 80
        && ["by ", "par ", "von ", "por ", "di "].iter().any(|by| lower.starts_with(by))
        && text.split_whitespace().skip(1).all(|word| {
            word.starts_with(|c: char| c.is_uppercase() || c == '|' || c == '&')
                || word == "and"
                || word == "et"
                || word == "und"
                || word == "for"
        });
    starts || byline || (short && is_noise(text)) || is_stamp(text)
}

/// Whether a text has hardly any letters.
fn is_noise(text: &str) -> bool {
    if text.bytes().filter(u8::is_ascii_alphabetic).count() * 2 > text.len() {
        return false;
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters * 3 < text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Whether a text is only a date or a time, such as `14:11 EST, 3 May 2014`.
fn is_stamp(text: &str) -> bool {
    if text.len() > 60 || text.ends_with(['.', '!', '?']) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let long = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.chars().count() > 9)
        .count();
    digits >= 3 && long == 0 && text.split_whitespace().count() <= 8 && (text.contains(':') || text.contains(',') || digits >= 6)
}

/// Whether quotation marks and brackets come in pairs.
fn is_balanced(text: &str) -> bool {
    if text.is_ascii() && memchr3(b'"', b'(', b')', text.as_bytes()).is_none() {
        return true;
    }
    let (mut curly, mut angle, mut round) = (0i32, 0i32, 0i32);
    let mut straight = 0u32;
    let mut low = 0i32;
    for c in text.chars() {
        match c {
            '"' => straight += 1,
            '„' => low += 1,
            '“' | '”' if low > 0 => low -= 1,
            '“' => curly += 1,
            '”' => curly -= 1,
            '«' => angle += 1,
            '»' => angle -= 1,
            '(' => round += 1,
            ')' => round -= 1,
            _ => {}
        }
    }
    // A list marker such as `1)` closes a bracket that was not opened. It does not count.
    let marker = round == -1 && text.find(')').is_some_and(|at| at <= 3);
    straight.is_multiple_of(2) && curly == 0 && angle == 0 && low == 0 && (round == 0 || marker)
}
