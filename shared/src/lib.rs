//! The common crate of every SummarEase function.
//!
//! Pure rooms, free of I/O, clocks and async: [`job`] (what a summary job is) and [`summarizer`]
//! (the text engine). Adapters around them: [`ledger`] and [`directory`] (DynamoDB),
//! [`documents`] (S3), [`lanes`] (SQS), [`archive`] (Postgres), [`cache`] (Valkey). On top:
//! [`batch`], the SQS batch processor that workers share.
//!
//! Arrows point one way: functions -> adapters -> pure rooms, never back.

pub mod archive;
pub mod batch;
pub mod cache;
pub mod capacity;
pub mod config;
pub mod directory;
pub mod documents;
pub mod job;
pub mod lanes;
pub mod ledger;
pub mod problem;
pub mod store;
pub mod summarizer;
pub mod telemetry;
pub mod tokens;
