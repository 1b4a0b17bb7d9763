//! One local cloud: its folder, its servers, and what is deployed to it.
//!
//! An [`instance`] is a folder with everything that one local cloud has. `cargo local` keeps one
//! under `.local/cloud`, and the integration tests make another one. [`bringup`] starts everything.
//! The servers run under a [`supervisor`], a process of its own that stops them when the process
//! that started it is gone, even if that process was killed.

pub mod addresses;
pub mod bringup;
pub mod deploy;
pub mod emulator;
pub mod instance;
pub mod private_postgres;
mod servers;
pub mod supervisor;
pub mod tenant;
