//! The crate that every SummarEase function uses.
//!
//! Four crates are pure: they have no I/O, no clock and no async code. They are [`job`] (what a
//! summary job is), [`summarizer`] (the engine that summarises texts), [`quota`] (how much a tenant
//! may submit) and [`capacity`] (how much capacity must be ready). They are re-exported here.
//!
//! The modules of this crate connect them with the stores: [`ledger`], [`directory`] and
//! [`service_level`] (DynamoDB), [`documents`] (S3), [`lanes`] (SQS), [`archive`] (Postgres) and
//! [`cache`] (Valkey). Two modules use several of these: [`batch`] processes the SQS batches of a
//! worker, and [`completion`] records that jobs have finished. [`admission`] decides about
//! submissions, also while the cache does not answer. [`recent`] keeps answers for a moment,
//! [`page`] is a part of a list, [`memory`] counts what a process holds, and `gather` writes the entries of many requests in one call.
//!
//! Dependencies go in one direction: the functions use these modules, and these modules use the
//! pure crates.

pub mod admission;
pub mod archive;
pub mod batch;
pub mod cache;
pub mod completion;
pub mod config;
pub mod directory;
pub mod documents;
pub mod gateway;
mod gather;
pub mod kill;
pub mod lanes;
pub mod ledger;
pub mod memory;
pub mod page;
pub mod problem;
pub mod recent;
pub mod service_level;
pub mod store;
pub mod telemetry;
pub mod tokens;

pub use {capacity, job, quota, summarizer};
