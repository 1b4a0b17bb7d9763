//! How many jobs a tenant may submit, and the decision about one submission.
//!
//! This crate is pure: the clock is given to it. The cache makes the same decisions in a script, so
//! that all processes share them. The script is tested against this crate.

mod bucket;
mod decision;
mod limits;

pub use bucket::{Bucket, Level};
pub use decision::{Account, Decision, Verdict};
pub use limits::{InvalidRate, Limits, Overrides, Rate};
