//! All tests that need servers. They share one local cloud of their own, with the real template
//! deployed to two regions. It starts once for all tests and stops with this process.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod admission;
mod apart;
mod api;
mod batches;
mod budgets;
mod cache;
mod capacity;
mod chance;
mod clients;
mod cloud;
mod cluster;
mod contract;
mod dead_letters;
mod events;
mod failover;
mod failure;
mod faults;
mod kills;
mod lanes;
mod manners;
mod matrix;
mod outage;
mod phases;
mod plane;
mod plans;
mod preflight;
mod reader;
mod regions;
mod repeats;
mod replica;
mod runbooks;
mod runner;
mod sessions;
mod soak;
mod stage;
mod stored_forms;
mod storm;
mod supervision;
mod template;
mod tenants;
mod tokens;
mod trace;
mod upkeep;
mod usage;
