//! The hidden command `cargo local plane`: the AWS of load runs.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tokio::net::{TcpListener, TcpSocket};

use super::runtime;

#[derive(Args)]
pub(crate) struct Plane {
    dir: PathBuf,
    aws: u16,
    dynamodb: u16,
}

/// Listens on a port. A connection sends what is written to it at once, which it takes over from its
/// listener. Otherwise an answer in two pieces would wait 40 ms for the client.
fn listen(port: u16) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    Ok(socket.listen(1024)?)
}

impl Plane {
    pub(crate) fn run(&self) -> Result<()> {
        runtime()?.block_on(async { plane::serve(&self.dir, listen(self.aws)?, listen(self.dynamodb)?).await })
    }
}
