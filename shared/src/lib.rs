//! The common crate of every SummarEase function.
//!
//! Pure rooms, free of I/O, clocks and async: [`job`] (what a summary job is), [`summarizer`]
//! (the text engine) and [`capacity`] (what should be ready before the demand is). Adapters around them: [`ledger`] and [`directory`] (DynamoDB),
//! [`service_level`] (DynamoDB), [`documents`] (S3), [`lanes`] (SQS), [`archive`] (Postgres), [`cache`] (Valkey). On top:
//! [`batch`], the SQS batch processor that workers share.
//!
//! Arrows point one way: functions -> adapters -> pure rooms, never back.

pub mod archive;
pub mod batch;
pub mod cache;
pub mod completion;
pub mod config;
pub mod directory;
pub mod documents;
pub mod lanes;
pub mod ledger;
pub mod problem;
pub mod service_level;
pub mod store;
pub mod telemetry;
pub mod tokens;

pub use {capacity, job, summarizer};
