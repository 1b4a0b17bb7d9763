//! What is being done, shown to the person at the terminal: one line per step, and how long it
//! took.
//!
//! All of this goes to standard error. Standard output stays free for results.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A step that is under way. It is over when it is dropped, and has failed unless [`Step::done`]
/// was called.
pub struct Step {
    bar: ProgressBar,
    what: String,
    started: Instant,
    is_silent: bool,
    is_done: bool,
}

impl Step {
    /// Begins a step and shows it: with a spinner on a terminal, with a line anywhere else.
    pub fn begin(what: impl Into<String>) -> Self {
        let step = Self::with(what.into(), ProgressBar::new_spinner(), false);
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} ({elapsed})") {
            step.bar.set_style(style);
        }
        step.bar.set_message(step.what.clone());
        step.bar.enable_steady_tick(Duration::from_millis(120));
        if step.bar.is_hidden() {
            print(&format!("  … {}", step.what));
        }
        step
    }

    /// Begins a step that shows nothing, for tests.
    pub fn silent(what: impl Into<String>) -> Self {
        Self::with(what.into(), ProgressBar::hidden(), true)
    }

    fn with(what: String, bar: ProgressBar, is_silent: bool) -> Self {
        Self {
            bar,
            what,
            started: Instant::now(),
            is_silent,
            is_done: false,
        }
    }

    /// Replaces the spinner by a line, because a program that is about to start shows its own
    /// progress.
    #[must_use]
    pub fn without_spinner(mut self) -> Self {
        if !self.bar.is_hidden() {
            self.bar.finish_and_clear();
            self.bar = ProgressBar::hidden();
            print(&format!("  … {}", self.what));
        }
        self
    }

    /// Shows which part of the step is under way.
    pub fn part(&self, part: &str) {
        if self.is_silent {
            return;
        }
        if self.bar.is_hidden() {
            print(&format!("      {part}"));
        } else {
            self.bar.set_message(format!("{}: {part}", self.what));
        }
    }

    /// The step has succeeded.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if !self.is_silent {
            let mark = if self.is_done { '✓' } else { '✗' };
            print(&format!("  {mark} {} ({:.1} s)", self.what, self.started.elapsed().as_secs_f64()));
        }
    }
}

/// Prints a line for the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is the one place that talks to the terminal")]
pub fn print(line: &str) {
    eprintln!("{line}");
}
