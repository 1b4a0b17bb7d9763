//! Programs that others made, installed and run: pinned Python environments ([`python`]), cargo and
//! the SAM template assembler ([`build`]), the check of the API ([`contract`]), and any other
//! command ([`process`]).

pub mod build;
pub mod contract;
pub mod process;
pub mod python;

/// The processor of this machine, as SAM and Lambda name it.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
