//! How the source files of the workspace may depend on each other, read from the source itself.
//!
//! No file may depend on itself through others, the pure crates may not reach the outside world,
//! and the figure of the modules in ARCHITECTURE.md must show what the source says. These tests
//! need no server. [`source`] reads the files, [`names`] finds out which file a name comes from.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod circles;
mod features;
mod figure;
mod names;
mod purity;
mod source;
mod visit;
