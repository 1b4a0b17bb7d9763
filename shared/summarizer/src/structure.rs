//! Cuts plain text into blocks that no sentence crosses.
//!
//! A first pass finds out what each line is. A second pass joins the lines of wrapped paragraphs.
//! Code, tables and logs give no block, because they are not prose.

use std::ops::Range;

use memchr::memmem;

use super::{
    block::{Block, Kind, Structure},
    characters::is_blank,
    language::Language,
    shown::Shown,
    steps::Steps,
    summary::NoSummary,
};

/// If the widest line of a text has at most this many characters, its lines may be wrapped.
const WIDEST_WRAP: usize = 120;
/// The fewest characters of the widest line in a text in which a line that looks like a title may
/// continue on the next line.
const NARROWEST_WRAP: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Blank,
    Fence,
    /// Code, a table row, a log line, or a line of punctuation only.
    Other {
        code: bool,
    },
    Heading,
    Item,
    Utterance(usize),
    Text,
}

/// A line without its line break.
#[derive(Clone, Copy)]
struct Row<'a> {
    start: usize,
    text: &'a str,
    line: Line,
}

/// Reads the blocks of plain text.
pub(super) fn plain(text: &str, language: &Language, steps: &Steps<'_>) -> Result<Structure, NoSummary> {
    let rows = rows(text, steps)?;
    let width = rows.iter().map(|row| row.text.len()).max().unwrap_or(0);
    let wrap = (width <= 4 * WIDEST_WRAP).then(|| rows.iter().map(|row| row.text.chars().count()).max().unwrap_or(0));
    let wrap = wrap.filter(|wrap| *wrap <= WIDEST_WRAP);
    let mut builder = Builder::new(text, wrap, language);
    let mut fenced = false;
    for row in &rows {
        steps.next()?;
        match row.line {
            Line::Fence => {
                builder.close();
                builder.structure.has_code = true;
                fenced = !fenced;
            }
            _ if fenced => {}
            Line::Blank => builder.close_paragraph(),
            Line::Other { code } => {
                builder.close();
                builder.structure.has_code |= code;
            }
            Line::Text if builder.continues(row) => builder.extend(row),
            line => {
                builder.close();
                builder.open(row, line);
            }
        }
    }
    builder.close();
    Ok(builder.structure)
}

/// The lines of `text`, each with its kind.
fn rows<'a>(text: &'a str, steps: &Steps<'_>) -> Result<Vec<Row<'a>>, NoSummary> {
    let mut start = 0;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for piece in text.split_inclusive('\n') {
        steps.next()?;
        let line = piece.trim_end_matches(['\n', '\r']);
        rows.push(Row {
            start,
            text: line,
            line: classify(line),
        });
        start += piece.len();
    }
    // A line of `===` or `---` makes the line above it a heading.
    for at in 1..rows.len() {
        let rule = rows[at].text.trim();
        let underline = rule.len() >= 3 && (rule.bytes().all(|b| b == b'=') || rule.bytes().all(|b| b == b'-'));
        let first = at < 2 || rows[at - 2].line == Line::Blank;
        if underline && first && rows[at - 1].line == Line::Text {
            rows[at - 1].line = Line::Heading;
        }
    }
    name_speakers(&mut rows);
    Ok(rows)
}

/// Marks the lines of a transcript. A text is a transcript if most lines begin with a label, and
/// the same labels occur again.
fn name_speakers(rows: &mut [Row<'_>]) {
    let filled = rows.iter().filter(|row| row.line != Line::Blank).count();
    let mut labels: Vec<&str> = rows
        .iter()
        .filter_map(|row| label(row.text).map(|length| row.text[..length].trim()))
        .collect();
    let labelled = labels.len();
    if labelled < 3 || labelled * 2 < filled {
        return;
    }
    labels.sort_unstable();
    labels.dedup();
    if labels.len() * 3 > labelled * 2 {
        return;
    }
    for row in rows {
        if let Some(length) = label(row.text) {
            row.line = Line::Utterance(length);
        }
    }
}

/// The length in bytes of a label such as `Name: ` at the start of a line. A label has one to five
/// words and begins with a capital letter or a digit.
pub(super) fn label(line: &str) -> Option<usize> {
    let head = &line[..line.floor_char_boundary(60)];
    let colon = head.find(':')?;
    // A time stamp such as `[00:12:01]` has colons that do not end the label.
    let colon = if head.starts_with(['[', '(']) {
        let close = head.find([']', ')'])?;
        close + head[close..].find(':')?
    } else {
        colon
    };
    let name = head[..colon].trim();
    let words = name.split_whitespace().count();
    let written = name.chars().all(|c| c.is_alphanumeric() || " .'’-_()[]:&".contains(c));
    let begins = name
        .starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '[' || c == '(' || (c.is_alphabetic() && !c.is_lowercase()));
    let rest = &line[colon + 1..];
    let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
    ((1..=5).contains(&words) && written && begins && spaced).then(|| colon + 1 + rest.len() - rest.trim_start().len())
}

fn classify(line: &str) -> Line {
    let trimmed = line.trim_matches(is_blank);
    if trimmed.is_empty() {
        return Line::Blank;
    }
    if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
        return Line::Fence;
    }
    if !trimmed.contains(char::is_alphanumeric) {
        return Line::Other { code: false };
    }
    if is_log(trimmed) || ((is_row(line) || is_code(trimmed)) && !is_prose(trimmed)) {
        return Line::Other { code: true };
    }
    let hashes = trimmed.bytes().take_while(|b| *b == b'#').count();
    if (1..=6).contains(&hashes) && trimmed[hashes..].starts_with(' ') || (trimmed.starts_with("==") && trimmed.len() < 200) {
        return Line::Heading;
    }
    match marker(trimmed) {
        Some(length) if is_shouted(&trimmed[length..]) => Line::Heading,
        Some(_) => Line::Item,
        None => Line::Text,
    }
}

/// Whether a line is short, in capitals, and without a mark at its end, such as `LIABILITY`.
fn is_shouted(line: &str) -> bool {
    let capitals = line.chars().filter(|c| c.is_uppercase()).count();
    capitals >= 3 && line.len() <= 80 && !line.contains(char::is_lowercase) && line.ends_with(char::is_alphanumeric)
}

/// The length in bytes of a list marker with the space after it.
pub(super) fn marker(line: &str) -> Option<usize> {
    for bullet in ["- ", "* ", "+ ", "• ", "– ", "‣ ", "▪ ", "◦ ", "· ", "●", "⁃"] {
        if let Some(rest) = line.strip_prefix(bullet) {
            return Some(line.len() - rest.trim_start().len());
        }
    }
    let open = usize::from(line.starts_with('('));
    let name = line[open..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    let number = (1..=3).contains(&name) && line[open..open + name].bytes().all(|b| b.is_ascii_digit());
    let letter = name == 1;
    let roman = (1..=4).contains(&name) && line[open..open + name].bytes().all(|b| b"ivx".contains(&b));
    let rest = &line[open + name..];
    let closed = match open {
        1 => (number || letter || roman).then(|| rest.strip_prefix(')')).flatten(),
        _ => rest
            .strip_prefix(".)")
            .or_else(|| rest.strip_prefix(')'))
            .filter(|_| number || letter || roman)
            .or_else(|| rest.strip_prefix('.').filter(|_| number)),
    }?;
    let text = closed.trim_start();
    (closed.len() > text.len()).then_some(line.len() - text.len())
}

/// Whether a line has at least twelve words and consists mostly of letters.
fn is_prose(line: &str) -> bool {
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let filled = line.chars().filter(|c| !c.is_whitespace()).count();
    let words = line
        .split_whitespace()
        .filter(|word| word.chars().all(|c| c.is_alphabetic() || ".,'’-".contains(c)))
        .count();
    letters * 4 > filled * 3 && words >= 12
}

/// Whether a line is the row of a table, with cells between bars, tabs or wide gaps.
fn is_row(line: &str) -> bool {
    let trimmed = line.trim();
    let bars = trimmed.bytes().filter(|b| *b == b'|').count();
    let tabs = trimmed.bytes().filter(|b| *b == b'\t').count();
    bars >= 3
        || (bars >= 2 && trimmed.starts_with('|'))
        || tabs >= 2
        || memmem::find(trimmed.as_bytes(), b"   ").is_some() && trimmed.split("   ").filter(|cell| !cell.trim().is_empty()).count() >= 3
}

/// Whether a line is a line of a program or of data. Such a line begins or ends like one, or has
/// many symbols.
fn is_code(line: &str) -> bool {
    let symbols = line.bytes().filter(|b| SYMBOLS[usize::from(*b)]).count();
    let filled = line.bytes().filter(|b| !b.is_ascii_whitespace()).count();
    let closes = line.ends_with([';', '{', '}']) || line.ends_with("};") || line.ends_with("),") || line.ends_with("],");
    let opens = [
        "{", "}", "[{", "\"", "<?", "<!DOCTYPE", "#!/", "#include", "import ", "def ", "fn ", "pub ", "let ", "const ", "var ",
        "function ", "return ", "$ ", ">>> ",
    ]
    .iter()
    .any(|start| line.starts_with(start));
    let member = line.starts_with('"') && line[1..].contains("\":");
    member
        || (opens && closes)
        || (closes && symbols * 8 > filled)
        || (opens && !line.starts_with('"') && symbols * 10 > filled)
        || symbols * 4 > filled
}

/// For each byte, whether it is a symbol that is frequent in programs or data.
const SYMBOLS: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"{}[]()<>=;\\|&$#@_+*/~^`\"";
    while let [symbol, others @ ..] = rest {
        table[*symbol as usize] = true;
        rest = others;
    }
    table
};

/// Whether a line is from a log. Such a line begins with a time stamp or a level.
fn is_log(line: &str) -> bool {
    let bare = line.trim_start_matches(['[', '(']);
    let digits = |range: Range<usize>| bare.as_bytes().get(range).is_some_and(|bytes| bytes.iter().all(u8::is_ascii_digit));
    let bytes = bare.as_bytes();
    let date = digits(0..4) && bytes.get(4) == Some(&b'-') && digits(5..7) && bytes.get(7) == Some(&b'-') && digits(8..10);
    let stamped = date && matches!(bytes.get(10), Some(b'T' | b' ')) && digits(11..13) && bytes.get(13) == Some(&b':');
    let levelled = ["ERROR", "WARN", "WARNING", "INFO", "DEBUG", "TRACE", "FATAL"].iter().any(|level| {
        bare.strip_prefix(level)
            .is_some_and(|rest| rest.starts_with([':', ']', '\t', '[']) || rest.starts_with("  "))
    });
    stamped || levelled
}

struct Builder<'a> {
    text: &'a str,
    language: &'a Language,
    /// The number of characters of the widest line, if the lines of the text may be wrapped.
    wrap: Option<usize>,
    structure: Structure,
    /// The block that is being read: its kind, its bytes and its last line.
    open: Option<(Kind, Range<usize>, &'a str)>,
    paragraph: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, wrap: Option<usize>, language: &'a Language) -> Self {
        Self {
            text,
            language,
            wrap,
            structure: Structure::default(),
            open: None,
            paragraph: 0,
        }
    }

    /// Whether a line continues the block of the line before it.
    fn continues(&self, row: &Row<'_>) -> bool {
        let Some((kind, _, last)) = &self.open else {
            return false;
        };
        if *kind == Kind::Heading && last.trim_start().starts_with(['#', '=']) {
            return false;
        }
        let (last, next) = (quoted(last.trim()), quoted(row.text.trim()));
        let next_word = next.split_whitespace().next().unwrap_or_default();
        let ended = last.ends_with(['.', '!', '?', ':', '"', '”', '»', '…']);
        // The line before has no end mark and this line begins in lower case, or the line before
        // had no room for the next word.
        let goes_on = !ended && next.starts_with(|c: char| c.is_lowercase() || c == ',' || c == '(');
        let narrowest = if *kind == Kind::Heading { NARROWEST_WRAP } else { 0 };
        let full = self
            .wrap
            .filter(|wrap| *wrap >= narrowest)
            .is_some_and(|wrap| last.chars().count() >= 25 && last.chars().count() + 1 + next_word.chars().count() > wrap - wrap / 12);
        let indented = matches!(kind, Kind::Item) && row.text.starts_with([' ', '\t']);
        let unspaced = self.language.is_spaceless() && self.wrap.is_some() && !last.ends_with(['。', '！', '？']);
        goes_on || full || indented || unspaced
    }

    fn extend(&mut self, row: &Row<'a>) {
        if let Some((_, range, last)) = &mut self.open {
            range.end = row.start + row.text.len();
            *last = row.text;
        }
    }

    fn open(&mut self, row: &Row<'a>, line: Line) {
        let kind = match line {
            Line::Heading => Kind::Heading,
            Line::Item => Kind::Item,
            Line::Utterance(label) => Kind::Utterance(label),
            _ if is_title(row.text.trim(), self.structure.blocks.is_empty()) => Kind::Heading,
            _ => Kind::Prose,
        };
        self.open = Some((kind, row.start..row.start + row.text.len(), row.text));
    }

    fn close_paragraph(&mut self) {
        self.close();
        self.paragraph += 1;
    }

    fn close(&mut self) {
        let Some((mut kind, range, last)) = self.open.take() else {
            return;
        };
        // A heading has one line only. A line that looked like a title but continues is prose.
        if kind == Kind::Heading && range.len() > last.len() + 2 {
            kind = Kind::Prose;
        }
        self.structure.blocks.push(Block {
            kind,
            paragraph: self.paragraph,
            shown: Shown::of_plain(&self.text[range.clone()], range.start, matches!(kind, Kind::Utterance(_))),
            source: range,
        });
    }
}

/// The line without the marks of quoted e-mail.
fn quoted(line: &str) -> &str {
    line.trim_start_matches(['>', ' '])
}

/// Whether a line is short and does not end like a sentence. The first line of a text may be
/// longer.
fn is_title(line: &str, first: bool) -> bool {
    let (characters, words) = if first { (200, 30) } else { (80, 12) };
    let open = line.ends_with(|c: char| c.is_alphanumeric() || c == ')') || (first && line.ends_with(['»', '”', '"', '’', '\'']));
    open && line.chars().count() <= characters && line.split_whitespace().count() <= words
}
