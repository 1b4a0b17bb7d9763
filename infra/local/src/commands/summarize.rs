//! `cargo local summarize`: the text engine on a file or on lines of JSON. It needs no service.

use std::{
    fs,
    io::{BufWriter, IsTerminal, Read, stdin, stdout},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use local::{engine::lines, progress::print};
use shared::{
    job::Focus,
    summarizer::{Lengths, Options, summarize},
};

use super::say;

#[derive(Args)]
pub(crate) struct Summarize {
    /// The text, or `-`.
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    length: LengthFlags,
    /// Print the whole result, not only the text.
    #[arg(long)]
    json: bool,
    /// Read lines of {"id", "document", one length field} from standard input, write one result
    /// line each.
    #[arg(long, conflicts_with_all = ["sentences", "words", "characters", "ratio", "json", "markdown", "focus", "language", "file"])]
    jsonl: bool,
    /// The text is Markdown.
    #[arg(long)]
    markdown: bool,
    /// A question or some words: sentences that have to do with them come first.
    #[arg(long)]
    focus: Option<String>,
    /// The language as a BCP 47 tag such as `de`; detected if absent.
    #[arg(long)]
    language: Option<String>,
}

#[derive(Args)]
#[group(multiple = false)]
struct LengthFlags {
    #[arg(long)]
    sentences: Option<u32>,
    #[arg(long)]
    words: Option<u32>,
    #[arg(long)]
    characters: Option<u32>,
    #[arg(long)]
    ratio: Option<f64>,
}

impl From<&LengthFlags> for Lengths {
    fn from(flags: &LengthFlags) -> Self {
        Self {
            sentences: flags.sentences,
            words: flags.words,
            characters: flags.characters,
            ratio: flags.ratio,
        }
    }
}

impl Summarize {
    pub(crate) fn run(&self) -> Result<()> {
        if self.jsonl {
            return each_line();
        }
        let text = read(&self.file)?;
        let (language, focus) = lines::language_and_focus(self.language.clone(), self.focus.clone())?;
        let mut options = Options {
            markdown: self.markdown,
            focus: focus.as_ref().map(Focus::as_str),
            language: language.tag(),
            keywords: self.json,
            scores: self.json,
            ..Options::default()
        };
        let lengths = Lengths::from(&self.length);
        if lengths != Lengths::default() {
            options.budget = lines::budget(lengths)?;
        }
        let summary = summarize(&text, &options)?;
        if self.json {
            say(&serde_json::to_string_pretty(&summary)?)
        } else {
            say(&summary.text)
        }
    }
}

fn read(file: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        anyhow!("the text is not UTF-8: no character begins with byte {valid}")
    })
}

fn each_line() -> Result<()> {
    if stdin().is_terminal() {
        print("reading lines of {\"id\", \"document\", one length field} from standard input");
    }
    lines::summarize_each(stdin().lock(), BufWriter::new(stdout().lock()))
}
