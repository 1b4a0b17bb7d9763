//! Splits blocks into sentences. Each sentence is a verbatim part of the source with its place.
//!
//! The library `sentencex` knows abbreviations and the marks that end sentences. This module
//! handles what else occurs in real text: sentences without a space between them, list items,
//! speakers, date lines, and very long lines.

use std::{borrow::Cow, ops::Range};

use memchr::memchr3_iter;

use super::{
    block::{Block, Kind},
    characters::is_blank,
    language::Language,
    steps::Steps,
    structure::marker,
    summary::NoSummary,
};

/// The most bytes that are split at once. This limit keeps the time linear for very long lines.
const LONGEST: usize = 16 * 1024;
/// A list item with at most this many bytes is one unit, even if it has several sentences.
const ITEM_BYTES: usize = 400;

/// How many bytes around the end of a sentence are looked at. They hold the words next to it. This
/// limit keeps the time linear for text without spaces.
const NEAR: usize = 96;

/// A candidate sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    /// The text as it is in the source, without white space around it.
    pub source: &'a str,
    /// The start in Unicode scalar values.
    pub offset: usize,
    /// The length in Unicode scalar values.
    pub length: usize,
    /// What a reader sees. White space is not folded yet.
    pub shown: Cow<'a, str>,
    pub role: Role,
    /// Units with the same number belong to one paragraph.
    pub paragraph: usize,
    /// How many bytes of `shown` are the label of the speaker.
    pub label: usize,
    /// The unit that introduces the list of this item.
    pub lead_in: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Prose,
    /// A heading raises the sentences that share words with it. It is chosen only if there is
    /// nothing else.
    Heading,
    /// An item of a list.
    Item,
}

impl Unit<'_> {
    /// The text without the label of the speaker.
    pub(super) fn speech(&self) -> &str {
        &self.shown[self.label..]
    }
}

/// Splits the blocks of `text` into sentences, in the order of the text.
pub(super) fn sentences<'a>(text: &'a str, blocks: &[Block], language: &Language, steps: &Steps<'_>) -> Result<Vec<Unit<'a>>, NoSummary> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut lead_in = None;
    let (mut byte, mut offset) = (0, 0);
    for block in blocks {
        let shown = block
            .shown
            .as_ref()
            .map_or(&text[block.source.clone()], |shown| shown.text.as_str());
        let (role, label) = match block.kind {
            Kind::Prose => (Role::Prose, 0),
            Kind::Heading => (Role::Heading, 0),
            Kind::Item => (Role::Item, 0),
            Kind::Utterance(label) => (Role::Prose, label),
        };
        if role != Role::Item {
            lead_in = None;
        }
        let before = units.len();
        let mut pieces = split(shown, block.kind, language, steps)?;
        if let (Role::Prose, Some(first)) = (role, pieces.first_mut()) {
            first.start += date_line(&shown[first.clone()]);
        }
        let mut cut = 0;
        for (at, piece) in pieces.iter().enumerate() {
            steps.next()?;
            let source = match &block.shown {
                None => block.source.start + piece.start..block.source.start + piece.end,
                Some(map) => {
                    // The sentence reaches to the next white space, so that closing markup belongs
                    // to it.
                    let begin = if at > 0 {
                        cut
                    } else if piece.start > 0 {
                        map.to_source(piece.start)
                    } else {
                        text[..block.source.start].trim_end_matches(['*', '_', '~', '`', '[']).len()
                    };
                    let last = map.to_source(piece.end - 1) + 1;
                    let next = pieces.get(at + 1).map_or(block.source.end, |next| map.to_source(next.start));
                    let rest = text.get(last..next).unwrap_or_default();
                    cut = rest.find(char::is_whitespace).map_or(next, |space| last + space);
                    begin..cut.max(begin)
                }
            };
            let Some(verbatim) = text.get(source.clone()) else { continue };
            let trimmed = verbatim.trim_matches(is_blank);
            let seen = shown[piece.clone()].trim_matches(is_blank);
            if trimmed.is_empty() || !seen.contains(char::is_alphanumeric) {
                continue;
            }
            let start = source.start + (verbatim.len() - verbatim.trim_start_matches(is_blank).len());
            offset += text[byte..start].chars().count();
            byte = start;
            let borrowed = match &block.shown {
                None => Cow::Borrowed(trimmed),
                Some(_) => Cow::Owned(seen.to_owned()),
            };
            let label = if at == 0 { label.min(borrowed.len()) } else { 0 };
            units.push(Unit {
                source: trimmed,
                offset,
                length: trimmed.chars().count(),
                label: if borrowed.is_char_boundary(label) { label } else { 0 },
                shown: borrowed,
                role,
                paragraph: block.paragraph,
                lead_in: if role == Role::Item { lead_in } else { None },
            });
        }
        if role == Role::Prose && units.len() > before && shown.trim_end().ends_with(':') {
            lead_in = Some(units.len() - 1);
        }
    }
    Ok(units)
}

/// The length in bytes of the date line of a news agency at the start of a paragraph, such as
/// `LONDON (Reuters) - ` or `(CNN)`.
fn date_line(text: &str) -> usize {
    let head = &text[..text.floor_char_boundary(70)];
    let agency =
        |name: &str| (2..=20).contains(&name.len()) && name.starts_with(char::is_uppercase) && !name.contains(|c: char| c.is_ascii_digit());
    if let Some(name) = head.strip_prefix('(').and_then(|head| head.split_once(')'))
        && agency(name.0)
        && name.0.chars().all(char::is_uppercase)
    {
        let rest = name.1.trim_start_matches([' ', '-', '–', '—']);
        return head.len() - rest.len();
    }
    let Some((at, dash)) = ["--", "—", "–", " - "]
        .iter()
        .filter_map(|dash| head.find(dash).map(|at| (at, dash.len())))
        .min()
    else {
        return 0;
    };
    let place = head[..at].trim_end();
    let (name, source) = place.split_once('(').unwrap_or((place, ""));
    let signed = source.strip_suffix(')').is_some_and(agency);
    let city = name.split(',').next().unwrap_or_default();
    let shouted = city.chars().filter(|c| c.is_uppercase()).count() >= 3 && !city.contains(char::is_lowercase);
    let named = name.starts_with(char::is_uppercase) && name.split_whitespace().count() <= 4;
    let rest = &head[at + dash..];
    let begins = rest.trim_start().starts_with(|c: char| c.is_uppercase() || "\"“«".contains(c));
    if begins && ((signed && named) || (shouted && source.is_empty() && named)) {
        head.len() - rest.trim_start().len()
    } else {
        0
    }
}

/// The sentences of a block, as ranges of bytes in the shown text.
fn split(shown: &str, kind: Kind, language: &Language, steps: &Steps<'_>) -> Result<Vec<Range<usize>>, NoSummary> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < shown.len() {
        steps.next()?;
        let end = window(shown, start);
        if kind == Kind::Heading {
            pieces.push(start..end);
            start = end;
            continue;
        }
        let mut at = start;
        let masked = without_apostrophes(&shown[start..end]);
        // The library returns the sentences in order, with only white space between them.
        let found = sentencex::segment(language.tag, &masked).into_iter().map(|sentence| {
            let from = shown.len() - shown[at..].trim_start().len();
            at = from + sentence.trim_start().len();
            from..at
        });
        let mut found: Vec<Range<usize>> = found.collect();
        // The window may have cut its last sentence, so that the next window begins with it.
        let next = if end < shown.len() && found.len() > 1 {
            found.pop().map_or(end, |last| last.start)
        } else {
            end
        };
        for range in found {
            let whole = kind == Kind::Item && range.end <= ITEM_BYTES;
            match pieces.last_mut() {
                // The sentences of a short item stay together, but items in one line are separated.
                Some(last) if whole && marker(shown[range.clone()].trim_start()).is_none() => last.end = range.end,
                _ => part(shown, range, language, &mut pieces),
            }
        }
        start = next;
    }
    let starts = enumerated(shown);
    if !starts.is_empty() {
        pieces = starts
            .iter()
            .zip(starts[1..].iter().chain([&shown.len()]))
            .map(|(start, end)| *start..*end)
            .collect();
    }
    Ok(merge(shown, pieces))
}

/// The text with a hyphen in place of each apostrophe inside a word. The library would take the
/// apostrophe for a quotation mark.
fn without_apostrophes(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let inside = |at: usize| {
        let letter = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(|b| b.is_ascii_alphabetic() || *b >= 0x80)
        };
        letter(at.checked_sub(1)) && letter(Some(at + 1))
    };
    let mut places = text.match_indices('\'').map(|(at, _)| at).filter(|at| inside(*at)).peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for at in places {
        masked.push_str(&text[from..at]);
        masked.push('-');
        from = at + 1;
    }
    masked.push_str(&text[from..]);
    Cow::Owned(masked)
}

/// The starts of the items of a list in one line, such as `1. One 2. Two` or `a) one b) two`.
fn enumerated(text: &str) -> Vec<usize> {
    let lead = text.trim_start_matches(|c: char| c.is_whitespace() || "•⁃-*".contains(c));
    let name: String = lead.chars().take_while(char::is_ascii_alphanumeric).take(4).collect();
    let rest = &lead[name.len()..];
    let Some(close) = [".)", ".", ")"]
        .iter()
        .find(|close| rest.strip_prefix(**close).is_some_and(|rest| rest.starts_with(' ')))
    else {
        return Vec::new();
    };
    let bullet = text[..text.len() - lead.len()].trim_start();
    let mut starts = vec![0];
    let mut at = text.len() - lead.len();
    for step in 1.. {
        let next = match (name.parse::<u32>(), name.as_bytes()) {
            (Ok(number), _) if name.len() <= 3 => (number + step).to_string(),
            (_, [letter]) if letter.is_ascii_lowercase() || *close != "." => {
                char::from(letter.saturating_add(u8::try_from(step).unwrap_or(u8::MAX))).to_string()
            }
            _ => return Vec::new(),
        };
        let Some(found) = text[at..].find(&format!(" {bullet}{next}{close} ")) else {
            break;
        };
        at += found + 1;
        starts.push(at);
    }
    if starts.len() > 1 { starts } else { Vec::new() }
}

/// The end of a window of at most [`LONGEST`] bytes. It is at white space if the window has some.
fn window(text: &str, start: usize) -> usize {
    if text.len() - start <= LONGEST {
        return text.len();
    }
    let limit = text.floor_char_boundary(start + LONGEST);
    let space = text[start..limit].rfind(char::is_whitespace).filter(|at| *at > 0);
    space.map_or(limit, |at| start + at)
}

/// Splits at ends of sentences that the library does not find, as in `the year.Next came` and
/// `in the U.S. How come`.
fn part(text: &str, range: Range<usize>, language: &Language, pieces: &mut Vec<Range<usize>>) {
    let mut start = range.start;
    for at in memchr3_iter(b'.', b'!', b'?', &text.as_bytes()[range.clone()]).map(|at| range.start + at) {
        if at < start {
            continue;
        }
        let end = at + 1;
        let rest = &text[end..range.end];
        let closer = ["\"", "”", "»", "’", ")"]
            .iter()
            .find(|closer| rest.starts_with(**closer))
            .map_or(0, |closer| closer.len());
        let before = &text[text.ceil_char_boundary(at.saturating_sub(NEAR)).max(start)..at];
        let after = &rest[closer..rest.floor_char_boundary(closer + NEAR)];
        if is_glued(before, after) || (text.as_bytes()[at] == b'.' && closer == 0 && ends_in_abbreviation(before, after, language)) {
            pieces.push(start..end + closer);
            start = end + closer;
        }
    }
    pieces.push(start..range.end);
}

/// Whether an abbreviation ends a sentence. It does so if a stop word with a capital letter
/// follows.
fn ends_in_abbreviation(before: &str, after: &str, language: &Language) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let acronym = word.len() >= 3
        && word
            .split('.')
            .all(|letter| letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_uppercase()));
    let company = ["Co", "co", "Inc", "Ltd", "Corp"].contains(&word);
    let next = after.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    (acronym || company)
        && after.starts_with(' ')
        && next.len() > 1
        && next.starts_with(char::is_uppercase)
        && next.chars().skip(1).all(char::is_lowercase)
        && language.is_stop_word(&next.to_lowercase())
}

fn is_glued(before: &str, after: &str) -> bool {
    let word: &str = before.rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
    let word_ends = word
        .chars()
        .next_back()
        .is_some_and(|c| c.is_lowercase() || c.is_ascii_digit() || "\"”»)%’".contains(c));
    let plain = word.chars().filter(|c| c.is_alphabetic()).count() >= 2 && !word.contains(['/', '@', '.', '_', '\\']);
    let next: &str = after
        .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .next()
        .unwrap_or_default();
    let mut letters = next.chars();
    let capital = letters.next().is_some_and(char::is_uppercase);
    let lower = letters.all(|c| c.is_lowercase() || c == '\'' || c == '’');
    let goes_on = after[next.len()..].starts_with([' ', ','])
        && after[next.len()..]
            .trim_start()
            .starts_with(|c: char| c.is_alphanumeric() || "\"“«(".contains(c));
    word_ends && plain && capital && lower && goes_on
}

/// Joins pieces that are not sentences, such as the number of a list item or a closing bracket, to
/// the piece beside them.
fn merge(text: &str, pieces: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(pieces.len());
    let mut carried: Option<usize> = None;
    for piece in pieces {
        let start = carried.take().unwrap_or(piece.start);
        let seen = text[start..piece.end].trim();
        if is_marker_only(seen) {
            carried = Some(start);
            continue;
        }
        match merged.last_mut() {
            Some(last) if !seen.contains(char::is_alphanumeric) && !seen.is_empty() => last.end = piece.end,
            _ => merged.push(start..piece.end),
        }
    }
    if let Some(start) = carried {
        merged.push(start..text.len());
    }
    merged
}

/// Whether a piece is only the number of a list item.
fn is_marker_only(piece: &str) -> bool {
    piece.len() <= 5 && piece.ends_with(['.', ')']) && marker(&format!("{piece} x")).is_some()
}
