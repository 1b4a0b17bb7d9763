//! The text engine on this machine: an article that goes through the whole local service
//! ([`demo`]), and lines of standard input that need no service ([`lines`]).

pub mod demo;
pub mod lines;
