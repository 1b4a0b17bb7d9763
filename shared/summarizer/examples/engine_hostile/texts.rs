//! Texts that a careless or hostile client may send. Each kind makes some step of an engine slow or
//! large: no spaces, no ends of sentences or nothing else, marks that are opened and never closed,
//! deep nesting, or a word that is different every time.

/// How a text of a kind is made.
enum Pattern {
    /// The same part again and again.
    Repeat(&'static str),
    /// A text before, a part again and again, and a text after.
    Between(&'static str, &'static str, &'static str),
    /// Parts with a number in place of each `#`, so that each part is different.
    Numbered(&'static str),
    /// A part once, twice, three times and so on, with a word after each run.
    Rising(&'static str),
}

use Pattern::{Between, Numbered, Repeat, Rising};

/// A kind of text: its name, whether it is Markdown, and how it is made.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) markdown: bool,
    pattern: Pattern,
}

const fn plain(name: &'static str, pattern: Pattern) -> Kind {
    Kind {
        name,
        markdown: false,
        pattern,
    }
}

const fn markdown(name: &'static str, pattern: Pattern) -> Kind {
    Kind {
        name,
        markdown: true,
        pattern,
    }
}

pub(crate) const KINDS: [Kind; 77] = [
    // No spaces, or nothing but ends of sentences.
    plain("digits and periods", Repeat("1.2.3.")),
    plain("one word", Repeat("a")),
    plain("words without spaces", Repeat("Word")),
    plain("letters and periods", Repeat("A.b.C.")),
    plain("periods", Between("One ", ".", " two.")),
    plain("exclamation marks", Between("One ", "!", " two.")),
    plain("spaced periods", Between("One ", ". ", " two.")),
    plain("spaced marks", Between("One ", "! ? ", " two.")),
    plain("one-letter sentences", Repeat("A. ")),
    plain("one-word sentences", Repeat("Go. ")),
    plain("glued sentences", Repeat("One went on.Two came in.")),
    plain("initials", Repeat("J. R. R. ")),
    plain("abbreviations", Repeat("Mr. Dr. U.S. Inc. ")),
    plain("ellipses", Repeat("and so ... ")),
    plain("no end of a sentence", Repeat("word ")),
    plain("long words", Numbered("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz# ")),
    plain("long words without spaces", Numbered("abcdefghijklmnopqrstuvwxyz#.")),
    // Quotation marks and brackets.
    plain("quotation marks", Repeat("\"a. B\" ")),
    plain("open quotation marks", Repeat("“a. B ")),
    plain("straight marks only", Between("a", "\"", "a")),
    plain("apostrophes", Repeat("a'b'c ")),
    plain("open brackets", Repeat("(a. B ")),
    plain("open square brackets", Repeat("[a. B ")),
    plain("nested brackets", Repeat("((([[[{{{a. ")),
    plain("angle quotation marks", Repeat("«a. B »")),
    plain("numbered references", Repeat("As shown.[1] ")),
    plain("addresses", Repeat("a.b@c.de ")),
    plain("half addresses", Repeat("a@b")),
    // Lists and lines.
    plain("items in one line", Repeat("1. a 2. b ")),
    plain("letter items in one line", Repeat("a) x b) y ")),
    plain("items", Repeat("- a\n")),
    plain("numbers of items", Repeat("1.\n")),
    plain("empty lines", Between("One.", "\n", "Two.")),
    plain("carriage returns", Between("One.", "\r", "Two.")),
    plain("headings", Repeat("# A\n")),
    plain("speakers", Numbered("Speaker #: Yes. No.\n")),
    plain("indented lines", Repeat("   a\n")),
    plain("spaces", Between("One.", " ", "Two.")),
    plain("dependent sentences", Repeat("However, it went on. ")),
    plain("different sentences", Numbered("Number # met number x# today. ")),
    // Scripts and characters.
    plain("Chinese without marks", Repeat("中文字")),
    plain("Chinese sentences", Repeat("中。")),
    plain("Thai", Repeat("ภาษาไทย")),
    plain("Hindi", Repeat("यह है। ")),
    plain("combining accents", Between("a", "\u{301}", " end.")),
    plain("joined emoji", Repeat("👩\u{200d}👩\u{200d}👧 ")),
    plain("right-to-left marks", Repeat("\u{202e}a. ")),
    plain("characters of width zero", Between("a", "\u{200b}", "b.")),
    plain("rare letters", Repeat("\u{10ffff}x. ")),
    // Markup in plain text.
    plain("entities", Repeat("&amp;a. ")),
    plain("tags", Repeat("<b>a</b>. ")),
    plain("open tags", Repeat("<a </b> ")),
    plain("bold in plain text", Repeat("**a. ")),
    plain("links in plain text", Repeat("[a](b). ")),
    // Markdown.
    markdown("backticks", Repeat("a ` `` ``` ")),
    markdown("backticks of all lengths", Numbered("`#` ")),
    markdown("runs of backticks", Rising("`")),
    markdown("runs of stars", Rising("*")),
    markdown("stars", Repeat("*a **b ")),
    markdown("open square brackets in Markdown", Repeat("a [")),
    markdown("open images", Repeat("a ![")),
    markdown("open comments", Repeat("a <!-- ")),
    markdown("open tags in Markdown", Repeat("a <b c=\"")),
    markdown("open instructions", Repeat("a <? ")),
    markdown("open declarations", Repeat("a <!A ")),
    markdown("mixed emphasis", Repeat("*a _b **c __d ")),
    markdown("definitions", Numbered("[a#]: /b\n\nSee [a#] now.\n\n")),
    markdown("footnotes", Numbered("See[^#] now.\n\n[^#]: This is a note.\n\n")),
    markdown("tables", Repeat("| a | b |\n|---|---|\n| c | d |\n\n")),
    markdown("a wide table", Between("", "| a ", "|\n\nOne went on.")),
    markdown("brackets and parentheses", Repeat("](")),
    markdown("entities in Markdown", Repeat("&a;&#1;")),
    markdown("strikethrough", Repeat("~a ~~b ")),
    markdown("headings of equals signs", Repeat("a\n=\n")),
    markdown("open links", Repeat("[a](")),
    markdown("nested quotes", Between("", "> ", "a.")),
    markdown("nested items", Between("", "- ", "a.")),
];

impl Kind {
    /// A text of this kind with at most `bytes` bytes, and not much less.
    pub(crate) fn text(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes);
        let end = match self.pattern {
            Repeat(part) => {
                text.extend(std::iter::repeat_n(part, bytes / part.len()));
                ""
            }
            Between(before, part, after) => {
                text.push_str(before);
                text.extend(std::iter::repeat_n(part, (bytes - before.len() - after.len()) / part.len()));
                after
            }
            Numbered(part) => {
                for number in 0_u32.. {
                    let part = part.replace('#', &number.to_string());
                    if text.len() + part.len() > bytes {
                        break;
                    }
                    text.push_str(&part);
                }
                ""
            }
            Rising(part) => {
                for length in 1.. {
                    if text.len() + length * part.len() + 6 > bytes {
                        break;
                    }
                    text.extend(std::iter::repeat_n(part, length));
                    text.push_str(" word ");
                }
                ""
            }
        };
        text + end
    }
}
