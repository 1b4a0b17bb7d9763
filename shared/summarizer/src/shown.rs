//! The text that a reader sees of a text with markup, with the place of each part in the source.
//!
//! Plain text that contains links, tags or entities is read as Markdown, because a reader does not
//! want them in a summary.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr3};
use pulldown_cmark::{Event, Options, Parser};

/// The most backticks that may mark a code span.
const LONGEST_MARK: usize = 16;

/// The text that is shown, and the place of each of its pieces in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub text: String,
    /// For each piece, its start in `text`, and its start and end in the source. They are in rising
    /// order.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Shown {
    /// What a reader sees of a block of plain text, or `None` if that is the block itself. In
    /// `speech`, notes such as `{laughs}` are left out.
    pub(super) fn of_plain(block: &str, start: usize, speech: bool) -> Option<Self> {
        let bytes = block.as_bytes();
        memchr3(b'<', b'*', b'&', bytes).or_else(|| memchr3(b']', b'\n', b'{', bytes))?;
        let notes = if speech { notes(block) } else { Vec::new() };
        let marked = !notes.is_empty()
            || block.contains("](")
            || block.contains("</")
            || block.contains("/>")
            || block.contains("<br>")
            || block.contains("<p>")
            || block.contains("**")
            || has_entity(block)
            || block.lines().skip(1).any(|line| line.trim_start().starts_with('>'));
        if !marked {
            return None;
        }
        // The block becomes one line that begins with a letter. Nothing in it can therefore be read
        // as the start of a Markdown block.
        let mut line = String::with_capacity(block.len() + 1);
        line.push('x');
        let mut quote = true;
        let mut notes = notes.into_iter().peekable();
        for (at, c) in block.char_indices() {
            notes.next_if(|note| note.end <= at);
            if notes.peek().is_some_and(|note| note.start <= at) {
                line.extend(std::iter::repeat_n(' ', c.len_utf8()));
                continue;
            }
            let mark = quote && (c == '>' || c == ' ');
            quote = matches!(c, '\n') || mark;
            match c {
                '\n' | '\r' => line.push(' '),
                '>' if mark => line.push(' '),
                c => line.push(c),
            }
        }
        let line = without_long_runs(&line);
        let mut shown = Self::default();
        for (event, range) in Parser::new_ext(&line, Options::empty()).into_offset_iter() {
            shown.add(&line, &event, range);
        }
        shown.text.remove(0);
        let mut pieces = std::mem::take(&mut shown.pieces).into_iter();
        if let Some((_, first)) = pieces.next() {
            shown.pieces.push((0, start..start + first.end - 1));
        }
        shown
            .pieces
            .extend(pieces.map(|(at, range)| (at - 1, start + range.start - 1..start + range.end - 1)));
        Some(shown)
    }

    /// Adds the text that an event shows. `range` is its place in `source`.
    pub(super) fn add(&mut self, source: &str, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Text(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.push(text, range),
            Event::Code(code) => {
                let ticks = source[range.clone()].bytes().take_while(|b| *b == b'`').count();
                self.push(code, range.start + ticks..range.end - ticks);
            }
            Event::SoftBreak | Event::HardBreak => self.push(" ", range),
            Event::InlineHtml(tag) if tag.starts_with("<br") || tag.starts_with("<p") || tag.starts_with("</p") => self.push(" ", range),
            _ => {}
        }
    }

    fn push(&mut self, text: &str, source: Range<usize>) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(text);
    }

    /// The part of the source that the shown text comes from, or `None` if nothing is shown.
    pub(super) fn source(&self) -> Option<Range<usize>> {
        let ((_, first), (_, last)) = self.pieces.first().zip(self.pieces.last())?;
        Some(first.start..last.end)
    }

    /// The byte of the source that the byte `at` of the shown text comes from.
    pub(super) fn to_source(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.pieces
            .get(piece)
            .map_or(0, |(start, source)| (source.start + (at - start)).min(source.end))
    }
}

/// The text with spaces in place of the backticks in very long runs. The parser looks for the end of
/// a code span once for each length of its mark, so that many lengths would take it long.
pub(super) fn without_long_runs(text: &str) -> Cow<'_, str> {
    let mut shorter = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr(b'`', &text.as_bytes()[at..]) {
        let start = at + found;
        let length = text[start..].bytes().take_while(|b| *b == b'`').count();
        at = start + length;
        if length > LONGEST_MARK {
            shorter.push_str(&text[copied..start]);
            shorter.extend(std::iter::repeat_n(' ', length));
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shorter.push_str(&text[copied..]);
    Cow::Owned(shorter)
}

/// The notes of a transcriber. They are words in braces or square brackets.
fn notes(speech: &str) -> Vec<Range<usize>> {
    let mut notes = Vec::new();
    for (at, open) in speech.match_indices(['{', '[']) {
        let close = if open == "{" { '}' } else { ']' };
        let inside = &speech[at + 1..speech.floor_char_boundary(at + 40)];
        if let Some(end) = inside.find(close)
            && inside[..end].chars().all(|c| c.is_alphabetic() || c == ' ')
        {
            notes.push(at..at + end + 2);
        }
    }
    notes
}

/// Whether a text contains an entity such as `&amp;` or `&#39;`.
fn has_entity(text: &str) -> bool {
    text.match_indices('&').any(|(at, _)| {
        let rest = &text.as_bytes()[at + 1..];
        let name = rest
            .iter()
            .take(10)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'#')
            .count();
        name >= 2 && rest.get(name) == Some(&b';')
    })
}
