//! A file to which everything is added that must not be forgotten.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What has happened to a queue.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry<'a> {
    Queue {
        name: String,
        visibility: u64,
        dead: Option<(String, u32)>,
    },
    Sent {
        queue: &'a str,
        id: &'a str,
        group: &'a str,
        #[serde(borrow)]
        body: std::borrow::Cow<'a, str>,
    },
    Deleted {
        queue: &'a str,
        id: &'a str,
    },
}

/// The file, and how many bytes it has.
pub(crate) struct Journal {
    file: File,
    bytes: u64,
    line: Vec<u8>,
}

impl Journal {
    /// Reads what has happened, and adds to it from then on. A last line that was not written to its end
    /// was not acknowledged, so that it is left out.
    pub(crate) fn open(path: &Path, mut replay: impl FnMut(Entry<'_>)) -> Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let mut bytes = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let Ok(entry) = serde_json::from_slice(&line) else { break };
            replay(entry);
            bytes += line.len() as u64;
            line.clear();
        }
        file.set_len(bytes)?;
        Ok(Self { file, bytes, line })
    }

    /// Adds entries. When this has returned, they survive the end of this process.
    pub(crate) fn add<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) -> Result<()> {
        self.line.clear();
        for entry in entries {
            serde_json::to_writer(&mut self.line, &entry)?;
            self.line.push(b'\n');
        }
        self.file.write_all(&self.line)?;
        self.bytes += self.line.len() as u64;
        Ok(())
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins from the start.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.bytes = 0;
        Ok(())
    }
}
