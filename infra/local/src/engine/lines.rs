//! The engine on lines of JSON, without any service: `cargo local summarize --jsonl`.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use shared::{
    job::{Focus, Format, Include, LanguageTag, Length},
    summarizer::{Budget, Lengths, Options, Sort, Summary, summarize},
};

/// One line of input: an id, a document, exactly one length, and other options of the API.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: serde_json::Value,
    document: String,
    sentences: Option<u32>,
    words: Option<u32>,
    characters: Option<u32>,
    ratio: Option<f64>,
    language: Option<String>,
    focus: Option<String>,
    #[serde(default)]
    include: Vec<Include>,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    format: Format,
}

#[derive(Serialize)]
struct Summarized {
    id: serde_json::Value,
    #[serde(flatten)]
    summary: Summary,
}

/// The length that is set, within the limits of the API.
///
/// # Errors
/// If none or more than one is set, or it is out of range.
pub fn budget(lengths: Lengths) -> Result<Budget> {
    let length = Length::try_from(Budget::try_from(lengths)?);
    Ok(length.map_err(|error| anyhow!("{}: {error}", error.unit))?.budget())
}

/// A language and a focus, checked as the API checks them.
///
/// # Errors
/// If one of them is not what the API takes.
pub fn language_and_focus(language: Option<String>, focus: Option<String>) -> Result<(LanguageTag, Option<Focus>)> {
    let language = language.map(LanguageTag::try_from).transpose();
    let focus = focus.map(Focus::try_from).transpose();
    Ok((
        language.map_err(|error| anyhow!("language: {error}"))?.unwrap_or_default(),
        focus.map_err(|error| anyhow!("focus: {error}"))?,
    ))
}

/// Summarises every line of `input` into a line of `output`.
///
/// # Errors
/// At the first line that cannot be read or summarised. The message names its number.
pub fn summarize_each(input: impl BufRead, mut output: impl Write) -> Result<()> {
    for (number, line) in input.split(b'\n').enumerate() {
        let (line, number) = (line?, number + 1);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let outcome = one(&line).with_context(|| format!("line {number} of the input"))?;
        serde_json::to_writer(&mut output, &outcome)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(())
}

fn one(line: &[u8]) -> Result<Summarized> {
    let line: Line = serde_json::from_slice(line).context("the line is not {\"id\", \"document\", one length field}")?;
    let lengths = Lengths {
        sentences: line.sentences,
        words: line.words,
        characters: line.characters,
        ratio: line.ratio,
    };
    let (language, focus) = language_and_focus(line.language, line.focus)?;
    let options = Options {
        budget: budget(lengths)?,
        sort: line.sort,
        markdown: line.format == Format::Markdown,
        language: language.tag(),
        focus: focus.as_ref().map(Focus::as_str),
        keywords: line.include.contains(&Include::Keywords),
        scores: line.include.contains(&Include::Scores),
    };
    Ok(Summarized {
        id: line.id,
        summary: summarize(&line.document, &options)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &str) -> Result<String> {
        let mut output = Vec::new();
        summarize_each(input.as_bytes(), &mut output)?;
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn each_line_gets_its_summary() {
        let output = run("{\"id\":1,\"document\":\"It rained all day. The match was called off.\",\"sentences\":1}\n\n{\"id\":\"b\",\"document\":\"Stay.\",\"words\":9}\n").unwrap();
        let results: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&results[0]["id"], &results[0]["output"]["sentences"]), (&1.into(), &1.into()));
        assert_eq!((&results[1]["id"], &results[1]["text"]), (&"b".into(), &"Stay.".into()));
    }

    #[test]
    fn bad_lines_are_named_by_number() {
        for (input, says) in [
            ("{\"id\":1,\"document\":\"A b.\",\"sentences\":1}\nnonsense", "line 2"),
            ("{\"id\":1,\"document\":\"A b.\"}", "exactly one"),
            ("{\"id\":1,\"document\":\"A b.\",\"sentences\":1,\"words\":2}", "exactly one"),
            ("{\"id\":1,\"document\":\"A b.\",\"sentences\":0}", "from 1 to 100"),
            ("{\"id\":1,\"document\":\"A b.\",\"ratio\":2}", "at most 1"),
            (
                "{\"id\":1,\"document\":\"A b.\",\"sentences\":1,\"language\":\"?\"}",
                "language tag",
            ),
            (
                "{\"id\":1,\"document\":\"A b.\",\"sentences\":1,\"focus\":\"?\"}",
                "focus: The focus must have 1 to 500",
            ),
            ("{\"id\":1,\"document\":\"\",\"sentences\":1}", "no sentence"),
            ("{\"id\":1,\"text\":\"A b.\",\"sentences\":1}", "unknown field `text`"),
        ] {
            let error = format!("{:#}", run(input).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
