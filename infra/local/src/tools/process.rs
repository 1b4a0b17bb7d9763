//! A command that runs until it is finished.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

/// Lines of a failed command's output that its error shows.
const SHOWN: usize = 25;

/// Runs a command and returns what it printed. If it fails, the end of its output becomes part of
/// the error.
///
/// # Errors
/// If the command does not start, or fails.
pub fn run(command: &mut Command, what: &str) -> Result<String> {
    run_showing(command, what, |_| {})
}

/// The same, and calls `show` with each line of its standard output as soon as it is printed.
///
/// # Errors
/// If the command does not start, or fails.
pub fn run_showing(command: &mut Command, what: &str, mut show: impl FnMut(&str)) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not {what}: {program} did not start"))?;
    // Both pipes are read at the same time, because a command waits while one of them is full.
    let errors = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let mut printed = String::new();
    let mut pipe = child.stdout.take().map(BufReader::new);
    let mut line = Vec::new();
    while let Some(pipe) = &mut pipe {
        line.clear();
        if pipe.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let line = String::from_utf8_lossy(&line);
        show(line.trim_end());
        printed += &line;
    }
    let status = child.wait()?;
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if status.success() {
        return Ok(printed);
    }
    fail(what, &program, status, &(printed + &errors))
}

fn fail(what: &str, program: &str, status: ExitStatus, output: &str) -> Result<String> {
    let lines: Vec<_> = output.trim_end().lines().collect();
    let tail = lines[lines.len().saturating_sub(SHOWN)..].join("\n  ");
    bail!("could not {what} ({program}, {status}):\n  {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_shown_and_a_failure_says_what_was_printed() {
        let mut shown = Vec::new();
        let mut command = Command::new("sh");
        let printed = run_showing(command.args(["-c", "echo one; echo two"]), "count", |line| {
            shown.push(line.to_owned());
        });
        assert_eq!((printed.unwrap().as_str(), shown.join(" ").as_str()), ("one\ntwo\n", "one two"));
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo one; echo no more >&2; exit 3"]), "count").unwrap_err();
        assert!(error.to_string().starts_with("could not count (sh, exit status: 3)"), "{error}");
        assert!(error.to_string().contains("one\n  no more"), "{error}");
        let error = run(&mut Command::new("no-such-program"), "count").unwrap_err();
        assert!(error.to_string().contains("no-such-program did not start"), "{error}");
    }
}
