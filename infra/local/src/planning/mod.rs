//! Calculations that need no service: what a month costs ([`cost`]), and what a capacity plan does
//! on simulated days ([`simulation`]).

mod charts;
pub mod cost;
pub mod simulation;
