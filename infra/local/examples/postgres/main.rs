//! Measures PostgreSQL with the statements of the archive, on a server of its own, and prints a
//! report.
//!
//! - `cargo run -p local --example postgres -- million > docs/load/postgres.md`: the plan of every statement
//!   among a million jobs in 13 months, and how long the upkeep and a migration hold up writers.
//! - `cargo run -p local --example postgres -- pooler PGBOUNCER > docs/load/pooler.md`: 200 archives share 20
//!   connections of PgBouncer, whose program is named. With `gently` behind it, there are fewer operations,
//!   so that a busy machine keeps the time limits too.

#![expect(clippy::large_futures, reason = "each of these futures is made once")]

mod million;
mod plans;
mod pooler;
mod samples;

use std::time::Duration;

use anyhow::{Result, bail};
use pooler::Work;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the program prints its result")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = match arguments.as_slice() {
        ["million"] => million::measure().await?,
        ["pooler", program] => {
            pooler::measure(
                program,
                Work {
                    rounds: 5,
                    pause: Duration::from_secs(1),
                },
            )
            .await?
        }
        ["pooler", program, "gently"] => {
            pooler::measure(
                program,
                Work {
                    rounds: 1,
                    pause: Duration::from_secs(4),
                },
            )
            .await?
        }
        _ => bail!("say `million`, or `pooler`, the program of PgBouncer, and perhaps `gently`"),
    };
    print!("{report}");
    Ok(())
}
