//! The whole cloud on one machine: real PostgreSQL and Valkey, and AWS by MiniStack, with the real
//! `template.yaml` deployed to it. No Docker, no root, no account.
//!
//! [`Instance`] is a folder with everything one local cloud has; `cargo local` keeps one under
//! `.local/cloud`, the integration tests make another. [`cloud`] brings an instance up. The
//! servers run under a supervisor of their own ([`supervisor`]), which ends them when whoever
//! started it is gone, however it went.

pub mod artifacts;
pub mod bulk;
pub mod capacity;
pub mod cloud;
pub mod cost;
pub mod demo;
pub mod deploy;
pub mod emulator;
pub mod instance;
pub mod progress;
pub mod python;
mod servers;
pub mod supervisor;
pub mod template;

pub use instance::Instance;
