//! `summarease summarize`: the text engine on files, on folders, or on lines of JSON. It needs no service.

use std::{
    fs,
    io::{BufWriter, ErrorKind, IsTerminal, Read, Write, stderr, stdin, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde::Serialize;
use shared::{
    job::{Focus, LanguageTag},
    summarizer::{Lengths, Options, Summary, summarize},
};

use crate::lines;

/// Files of a folder that are summarised: their names end like this.
const TEXTS: [&str; 4] = ["txt", "text", "md", "markdown"];

/// Summarise files with the engine alone.
#[derive(Args)]
pub struct Summarize {
    /// Files, folders, or `-` for standard input. Of a folder and the folders in it, the files whose
    /// names end with `.txt`, `.text`, `.md` or `.markdown` are summarised.
    #[arg(default_value = "-")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    length: LengthFlags,
    /// Print the whole result as JSON, not only the text. For more than one file, one line for each.
    #[arg(long)]
    json: bool,
    /// Read lines of {"id", "document", one length field} from standard input, and write one result
    /// line for each.
    #[arg(long, conflicts_with_all = ["sentences", "words", "characters", "ratio", "json", "markdown", "focus", "language", "paths"])]
    jsonl: bool,
    /// The texts are Markdown. Files whose names end with `.md` or `.markdown` always are.
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

/// A file and its result, as a line of JSON.
#[derive(Serialize)]
struct Summarized<'a> {
    file: &'a Path,
    #[serde(flatten)]
    summary: Summary,
}

impl Summarize {
    /// Prints the summaries. A file that cannot be summarised is named on standard error, and the others
    /// are summarised nevertheless.
    ///
    /// # Errors
    /// If an option is wrong, or the results cannot be printed.
    pub fn run(&self) -> Result<ExitCode> {
        if self.jsonl {
            if stdin().is_terminal() {
                warn("reading lines of {\"id\", \"document\", one length field} from standard input");
            }
            let all = lines::summarize_each(stdin().lock(), BufWriter::new(stdout().lock()), |error| {
                warn(&format!("error: {error:#}"));
            })?;
            return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let (language, focus) = lines::language_and_focus(self.language.clone(), self.focus.clone())?;
        let lengths = Lengths::from(&self.length);
        let budget = (lengths != Lengths::default()).then(|| lines::budget(lengths)).transpose()?;
        let mut files = Vec::new();
        let mut code = ExitCode::SUCCESS;
        for path in &self.paths {
            if let Err(error) = find(path, &mut files) {
                warn(&format!("error: {error:#}"));
                code = ExitCode::FAILURE;
            }
        }
        let are_many = files.len() > 1;
        for (number, file) in files.iter().enumerate() {
            let summary = self.one(file, &language, focus.as_ref(), budget);
            let shown = match summary {
                Ok(summary) if !self.json && are_many => {
                    let gap = if number == 0 { "" } else { "\n" };
                    format!("{gap}{}:\n{}", file.display(), summary.text)
                }
                Ok(summary) if !self.json => summary.text,
                Ok(summary) if are_many => serde_json::to_string(&Summarized { file, summary })?,
                Ok(summary) => serde_json::to_string_pretty(&summary)?,
                Err(error) => {
                    warn(&format!("error: {}: {error:#}", file.display()));
                    code = ExitCode::FAILURE;
                    continue;
                }
            };
            match writeln!(stdout(), "{shown}") {
                // The reader has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(code),
                written => written?,
            }
        }
        Ok(code)
    }

    fn one(
        &self,
        file: &Path,
        language: &LanguageTag,
        focus: Option<&Focus>,
        budget: Option<shared::summarizer::Budget>,
    ) -> Result<Summary> {
        let ends_as_markdown = ["md", "markdown"]
            .iter()
            .any(|ending| file.extension().is_some_and(|found| found == *ending));
        let mut options = Options {
            markdown: self.markdown || ends_as_markdown,
            focus: focus.map(Focus::as_str),
            language: language.tag(),
            keywords: self.json,
            scores: self.json,
            ..Options::default()
        };
        if let Some(budget) = budget {
            options.budget = budget;
        }
        Ok(summarize(&read(file)?, &options)?)
    }
}

/// Adds a file, or the texts in a folder, to `files`, in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    if path == Path::new("-") || !fs::metadata(path).with_context(cannot)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(cannot)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // A link to a folder is not followed, because it may lead back here.
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_text = path.extension().is_some_and(|ending| TEXTS.iter().any(|text| ending == *text));
        if kind.is_dir() {
            find(&path, files)?;
        } else if is_text {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(file).context("the file cannot be read")?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        anyhow!("the text is not UTF-8: no character begins with byte {valid}")
    })
}

/// Prints a line to standard error.
fn warn(line: &str) {
    // There is nobody to tell that this failed.
    let _ = writeln!(stderr(), "{line}");
}
