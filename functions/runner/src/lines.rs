//! The engine on lines of JSON: `summarease summarize --jsonl`.

use std::io::{BufRead, Write};

use anyhow::{Context, Error, Result, anyhow};
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

/// What is written for a line that has no summary.
#[derive(Serialize)]
struct Failed {
    /// Null if the line has none.
    id: serde_json::Value,
    /// The number of the line, from 1.
    line: usize,
    error: String,
}

/// The length that is set, within the limits of the API.
///
/// # Errors
/// If none or more than one is set, or it is out of range.
pub(crate) fn budget(lengths: Lengths) -> Result<Budget> {
    let length = Length::try_from(Budget::try_from(lengths)?);
    Ok(length.map_err(|error| anyhow!("{}: {error}", error.unit))?.budget())
}

/// A language and a focus, checked as the API checks them.
///
/// # Errors
/// If one of them is not what the API takes.
pub(crate) fn language_and_focus(language: Option<String>, focus: Option<String>) -> Result<(LanguageTag, Option<Focus>)> {
    let language = language.map(LanguageTag::try_from).transpose();
    let focus = focus.map(Focus::try_from).transpose();
    Ok((
        language.map_err(|error| anyhow!("language: {error}"))?.unwrap_or_default(),
        focus.map_err(|error| anyhow!("focus: {error}"))?,
    ))
}

/// Summarises every line of `input` into a line of `output`. A line that cannot be read or summarised
/// becomes a line with its id and `error`, and is reported with its number. Returns whether there was
/// none.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub(crate) fn summarize_each(input: impl BufRead, mut output: impl Write, report: impl Fn(&Error)) -> Result<bool> {
    let mut all = true;
    for (number, line) in input.split(b'\n').enumerate() {
        let (line, number) = (line?, number + 1);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match one(&line).with_context(|| format!("line {number} of the input")) {
            Ok(summarized) => serde_json::to_writer(&mut output, &summarized)?,
            Err(error) => {
                all = false;
                report(&error);
                let failed = Failed {
                    id: id(&line),
                    line: number,
                    error: format!("{error:#}"),
                };
                serde_json::to_writer(&mut output, &failed)?;
            }
        }
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(all)
}

/// The id of a line that may have nothing else.
fn id(line: &[u8]) -> serde_json::Value {
    let line: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    line["id"].clone()
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
    use std::cell::Cell;

    use super::*;

    /// The lines of the output, and how many lines were reported.
    fn run(input: &str) -> (Vec<serde_json::Value>, usize) {
        let (mut output, reported) = (Vec::new(), Cell::new(0));
        let all = summarize_each(input.as_bytes(), &mut output, |_| reported.set(reported.get() + 1)).unwrap();
        assert_eq!(all, reported.get() == 0);
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), reported.get())
    }

    #[test]
    fn each_line_gets_its_summary() {
        let (results, reported) = run(
            "{\"id\":1,\"document\":\"It rained all day. The match was called off.\",\"sentences\":1}\n\n{\"id\":\"b\",\"document\":\"Stay.\",\"words\":9}\n",
        );
        assert_eq!(reported, 0);
        assert_eq!((&results[0]["id"], &results[0]["output"]["sentences"]), (&1.into(), &1.into()));
        assert_eq!((&results[1]["id"], &results[1]["text"]), (&"b".into(), &"Stay.".into()));
    }

    #[test]
    fn a_bad_line_has_an_error_and_the_others_their_summaries() {
        for (bad, id, says) in [
            ("nonsense", None, "the line is not"),
            ("{\"id\":1,\"document\":\"A b.\"}", Some(1), "exactly one"),
            (
                "{\"id\":2,\"document\":\"A b.\",\"sentences\":1,\"words\":2}",
                Some(2),
                "exactly one",
            ),
            ("{\"id\":3,\"document\":\"A b.\",\"sentences\":0}", Some(3), "from 1 to 100"),
            ("{\"id\":4,\"document\":\"A b.\",\"ratio\":2}", Some(4), "at most 1"),
            (
                "{\"id\":5,\"document\":\"A b.\",\"sentences\":1,\"language\":\"?\"}",
                Some(5),
                "language tag",
            ),
            (
                "{\"id\":6,\"document\":\"A b.\",\"sentences\":1,\"focus\":\"?\"}",
                Some(6),
                "focus: The focus must have 1 to 500",
            ),
            ("{\"id\":7,\"document\":\"\",\"sentences\":1}", Some(7), "no sentence"),
            ("{\"id\":8,\"text\":\"A b.\",\"sentences\":1}", Some(8), "unknown field `text`"),
        ] {
            let good = "{\"id\":\"good\",\"document\":\"A b.\",\"sentences\":1}";
            let (results, reported) = run(&format!("{good}\n{bad}\n{good}"));
            assert_eq!((results.len(), reported), (3, 1), "{bad}");
            let error = results[1]["error"].as_str().unwrap();
            assert!(error.contains("line 2") && error.contains(says), "{error}");
            assert_eq!((results[1]["id"].as_i64(), &results[1]["line"]), (id, &2.into()));
            assert!([0, 2].iter().all(|good| results[*good]["text"] == "A b."), "{results:?}");
        }
    }
}
