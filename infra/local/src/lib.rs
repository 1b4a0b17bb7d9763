//! The whole cloud on one machine: real PostgreSQL and Valkey servers, and AWS emulated by
//! MiniStack, with the real `template.yaml` deployed to it. It needs no Docker, no root rights and
//! no AWS account.
//!
//! - [`cloud`] starts the servers, deploys the stacks and stops them again.
//! - [`template`] checks the templates without an account.
//! - [`preflight`] says what would fail in a deployment to an AWS account.
//! - [`planning`] calculates what a phase costs and simulates capacity plans.
//! - [`load`] submits many jobs at a rate, and reports what they took.
//! - [`demo`] is an article that goes through the whole service.
//! - [`tools`] installs and runs what others made: Python packages and cargo.
//! - [`checkout`] and [`progress`] know where files are and how to show a long step.
//!
//! What each `cargo local` command does is in `commands/`, which belongs to the program and not to
//! this library. Nothing here is deployed to AWS.

pub mod checkout;
pub mod cloud;
pub mod demo;
pub mod load;
pub mod planning;
pub mod preflight;
pub mod progress;
pub mod template;
pub mod tools;

pub use cloud::instance::Instance;
