//! One line per step: what is being done, and when it is done, how long it took.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A step that is under way. Ends when dropped, as failed unless [`Step::done`] was called.
pub struct Step {
    bar: ProgressBar,
    what: String,
    started: Instant,
    quiet: bool,
    done: bool,
}

impl Step {
    /// Begins a step.
    pub fn begin(what: impl Into<String>) -> Self {
        Self::with(what.into(), false)
    }

    /// Begins a step that says nothing, for tests.
    pub fn silent(what: impl Into<String>) -> Self {
        Self::with(what.into(), true)
    }

    fn with(what: String, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        if bar.is_hidden() && !quiet {
            print(&format!("  … {what}"));
        }
        Self {
            bar,
            what,
            started: Instant::now(),
            quiet,
            done: false,
        }
    }

    /// The step has succeeded.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if !self.quiet {
            let mark = if self.done { '✓' } else { '✗' };
            print(&format!("  {mark} {} ({:.1} s)", self.what, self.started.elapsed().as_secs_f64()));
        }
    }
}

/// A line for the person at the terminal; standard output stays free for results.
#[expect(clippy::print_stderr, reason = "this is the one place that talks to the terminal")]
pub fn print(line: &str) {
    eprintln!("{line}");
}
