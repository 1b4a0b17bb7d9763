//! From blocks to sentences, each a verbatim piece of the source with its place.
//!
//! `sentencex` knows abbreviations and terminators; around it stand the repairs that real text
//! needs: glued sentences, list items, speakers, date lines, over-long lines.

use std::{borrow::Cow, ops::Range};

use memchr::memchr3_iter;

use super::{
    block::{Block, Kind},
    characters::is_blank,
    language::Language,
    structure::marker,
};

/// Longest piece that is split as a whole, in bytes: keeps the time linear on endless lines.
const LONGEST: usize = 16 * 1024;
/// A list item up to this long is one unit, whatever it holds.
const ITEM_BYTES: usize = 400;

/// A candidate sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    /// Verbatim, without white space around it.
    pub source: &'a str,
    /// Start in Unicode scalar values.
    pub offset: usize,
    /// Length in Unicode scalar values.
    pub length: usize,
    /// What a reader sees. White space is not folded yet.
    pub shown: Cow<'a, str>,
    pub role: Role,
    /// Units with one number make one paragraph.
    pub paragraph: usize,
    /// Bytes of `shown` that name the speaker.
    pub label: usize,
    /// The unit that introduces the list this item stands in.
    pub lead_in: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Prose,
    /// Informs about the rest, and is chosen only if there is nothing else.
    Heading,
    Item,
}

impl Unit<'_> {
    /// What is said, without the speaker's name.
    pub(super) fn speech(&self) -> &str {
        &self.shown[self.label..]
    }
}

/// Splits the blocks of `text` into sentences in their order.
pub(super) fn sentences<'a>(text: &'a str, blocks: &[Block], language: &Language) -> Vec<Unit<'a>> {
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
        let mut pieces = split(shown, block.kind, language);
        if let (Role::Prose, Some(first)) = (role, pieces.first_mut()) {
            first.start += date_line(&shown[first.clone()]);
        }
        let mut cut = 0;
        for (at, piece) in pieces.iter().enumerate() {
            let source = match &block.shown {
                None => block.source.start + piece.start..block.source.start + piece.end,
                Some(map) => {
                    // Up to the next white space, so that what closes around a sentence stays with it.
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
    units
}

/// Bytes of a news agency's date line at the start of a paragraph: `LONDON (Reuters) - `, `(CNN)`.
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

/// The sentences of a block, as bytes of what it shows.
fn split(shown: &str, kind: Kind, language: &Language) -> Vec<Range<usize>> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < shown.len() {
        let end = window(shown, start);
        if kind == Kind::Heading {
            pieces.push(start..end);
            start = end;
            continue;
        }
        let mut at = start;
        let masked = without_apostrophes(&shown[start..end]);
        // The splitter returns slices in order; what lies between them is white space.
        let found = sentencex::segment(language.tag, &masked).into_iter().map(|sentence| {
            let from = shown.len() - shown[at..].trim_start().len();
            at = from + sentence.trim_start().len();
            from..at
        });
        let mut found: Vec<Range<usize>> = found.collect();
        // What the window may have cut is whole in the next one.
        let next = if end < shown.len() && found.len() > 1 {
            found.pop().map_or(end, |last| last.start)
        } else {
            end
        };
        for range in found {
            let whole = kind == Kind::Item && range.end <= ITEM_BYTES;
            match pieces.last_mut() {
                // Sentences of one short item stay together; items in one line part.
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
    merge(shown, pieces)
}

/// The text with a hyphen for each apostrophe inside a word, which the splitter would take for a
/// quotation mark that might open or close.
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

/// Where the items of a list written in one line begin: `1. One 2. Two`, `a) one b) two`.
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

/// The end of a piece of at most [`LONGEST`] bytes, at white space if there is some.
fn window(text: &str, start: usize) -> usize {
    if text.len() - start <= LONGEST {
        return text.len();
    }
    let limit = text.floor_char_boundary(start + LONGEST);
    let space = text[start..limit].rfind(char::is_whitespace).filter(|at| *at > 0);
    space.map_or(limit, |at| start + at)
}

/// Splits where the splitter saw no end: `the year.Next came`, `in the U.S. How come`.
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
        let (before, after) = (&text[start..at], &rest[closer..]);
        if is_glued(before, after) || (text.as_bytes()[at] == b'.' && closer == 0 && ends_in_abbreviation(before, after, language)) {
            pieces.push(start..end + closer);
            start = end + closer;
        }
    }
    pieces.push(start..range.end);
}

/// Whether an abbreviation that can end a sentence does so: a word follows that says nothing by
/// itself, with a capital.
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

/// Joins pieces that are no sentence of their own to a neighbour: a lone list number, a lone bracket.
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

/// Whether a piece is a list number without its item.
fn is_marker_only(piece: &str) -> bool {
    piece.len() <= 5 && piece.ends_with(['.', ')']) && marker(&format!("{piece} x")).is_some()
}
