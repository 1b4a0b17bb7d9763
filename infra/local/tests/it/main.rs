//! Everything that needs servers, on one private local cloud with the real template deployed to
//! two regions. It comes up once for all tests and goes away with this process.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod capacity;
mod cloud;
mod events;
mod failover;
mod failure;
mod lanes;
mod phases;
mod regions;
mod replica;
mod runbooks;
mod stored_forms;
mod supervision;
mod template;
mod tokens;
