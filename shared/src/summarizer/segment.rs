//! From text to sentences, each a verbatim piece with its place.

use super::language::Language;

/// Lines longer than this many bytes are cut at white space first, so that time stays linear.
const LINE: usize = 16 * 1024;

/// A candidate sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    /// Verbatim, without white space around it.
    pub text: &'a str,
    /// Start in Unicode scalar values.
    pub offset: usize,
    /// Length in Unicode scalar values.
    pub length: usize,
    /// Whether it is a title or heading: it informs, and is chosen only if there is nothing else.
    pub heading: bool,
}

/// Splits `text` into sentences in their order.
pub(super) fn sentences<'a>(text: &'a str, language: Language, markdown: bool) -> Vec<Unit<'a>> {
    let mut units = Vec::new();
    let (mut byte, mut offset) = (0, 0);
    let mut push = |start: usize, piece: &'a str, heading: bool| {
        let lead = piece.len() - piece.trim_start().len();
        let piece = piece.trim();
        if !piece.contains(char::is_alphanumeric) {
            return;
        }
        let start = start + lead;
        offset += text[byte..start].chars().count();
        byte = start;
        units.push(Unit {
            text: piece,
            offset,
            length: piece.chars().count(),
            heading,
        });
    };
    for (start, block) in blocks(text, markdown) {
        let whole = block.trim();
        let heading = is_heading(whole, markdown);
        if heading {
            push(start, block, true);
            continue;
        }
        let mut at = start;
        for sentence in sentencex::segment(language.tag(), block) {
            // The splitter returns slices of the block in order; anything between them is white space.
            let Some(found) = text[at..start + block.len()].find(sentence) else {
                continue;
            };
            push(at + found, sentence, false);
            at += found + sentence.len();
        }
    }
    units
}

/// Pieces that no sentence crosses: paragraphs, list items, headings, over-long lines.
fn blocks(text: &str, markdown: bool) -> Vec<(usize, &str)> {
    let mut blocks = Vec::new();
    let (mut start, mut at, mut fenced) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let fence = markdown && (trimmed.starts_with("```") || trimmed.starts_with("~~~"));
        if trimmed.is_empty() || fence || starts_block(trimmed) || at - start > LINE {
            cut(text, start, at, &mut blocks);
            start = at;
        }
        at += line.len();
        if fence {
            fenced = !fenced;
        }
        if fence || fenced {
            start = at;
        } else if trimmed.starts_with("==") || (markdown && trimmed.starts_with('#')) {
            cut(text, start, at, &mut blocks);
            start = at;
        }
    }
    cut(text, start, at, &mut blocks);
    blocks
}

fn cut<'a>(text: &'a str, mut start: usize, end: usize, blocks: &mut Vec<(usize, &'a str)>) {
    while end - start > LINE {
        let limit = text.floor_char_boundary(start + LINE);
        let stop = text[start..limit]
            .rfind(char::is_whitespace)
            .filter(|at| *at > 0)
            .map_or(limit, |at| start + at);
        blocks.push((start, &text[start..stop]));
        start = stop;
    }
    if start < end {
        blocks.push((start, &text[start..end]));
    }
}

fn starts_block(line: &str) -> bool {
    let item = ["- ", "* ", "+ ", "• "].iter().any(|mark| line.starts_with(mark));
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=3).contains(&digits) && (line[digits..].starts_with(". ") || line[digits..].starts_with(") "));
    item || numbered || line.starts_with('#') || line.starts_with("==")
}

fn is_heading(block: &str, markdown: bool) -> bool {
    if block.starts_with("==") || (markdown && block.starts_with('#')) {
        return true;
    }
    let ends_open = block.ends_with(|c: char| c.is_alphanumeric());
    ends_open && !block.contains('\n') && block.chars().count() <= 80 && block.split_whitespace().count() <= 12 && !starts_block(block)
}
