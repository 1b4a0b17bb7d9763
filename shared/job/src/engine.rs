//! Runs the engine with the options of a submission, and explains to the client why there is no
//! summary.

use summarizer::{NoSummary, Options, Summary, summarize_while};

use crate::{
    failure::{FailureCode, JobError},
    request::{Focus, Format, Include, RequestOptions},
};

/// Why there is no summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmade {
    /// The text has none. Every further attempt would fail too.
    Rejected(JobError),
    /// The engine was stopped.
    Stopped,
}

/// Summarises a text as long as `may_go_on` returns true.
///
/// # Errors
/// If the text has no sentence, or the engine was stopped.
pub fn summarize(text: &str, options: &RequestOptions, may_go_on: &dyn Fn() -> bool) -> Result<Summary, Unmade> {
    let options = Options {
        budget: options.length.budget(),
        sort: options.sort,
        language: options.language.tag(),
        focus: options.focus.as_ref().map(Focus::as_str),
        markdown: options.format == Format::Markdown,
        keywords: options.include.contains(&Include::Keywords),
        scores: options.include.contains(&Include::Scores),
    };
    let rejected = |message: &str| Unmade::Rejected(JobError::new(FailureCode::NoSentence, message));
    summarize_while(text, &options, may_go_on).map_err(|reason| match reason {
        NoSummary::Blank => rejected("The text has no letter or digit outside of markup. Send a text with at least one sentence."),
        NoSummary::OnlyCode => {
            rejected("The text consists of code, tables, data or logs only. Send a text with at least one sentence of prose.")
        }
        NoSummary::Stopped => Unmade::Stopped,
    })
}
