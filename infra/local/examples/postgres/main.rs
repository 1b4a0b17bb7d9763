//! Measures PostgreSQL with the statements of the archive, on a server of its own, and prints a
//! report.
//!
//! - `cargo run -p local --example postgres -- million > docs/load/postgres.md`: the plan of every statement
//!   among a million jobs in 13 months, and how long the upkeep and a migration hold up writers.
//! - `cargo run -p local --example postgres -- pooler PGBOUNCER > docs/load/pooler.md`: 200 archives share 20
//!   connections of PgBouncer, whose program is named.

#![expect(clippy::large_futures, reason = "each of these futures is made once")]

mod million;
mod plans;
mod pooler;
mod samples;

use anyhow::{Result, bail};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the program prints its result")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = match arguments.as_slice() {
        ["million"] => million::measure().await?,
        ["pooler", program] => pooler::measure(program).await?,
        _ => bail!("say `million`, or `pooler` and the program of PgBouncer"),
    };
    print!("{report}");
    Ok(())
}
