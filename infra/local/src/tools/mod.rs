//! Programs that others made, installed and run: pinned Python environments ([`python`]), cargo and
//! the SAM template assembler ([`build`]), and any other command ([`process`]).

pub mod build;
pub mod process;
pub mod python;
