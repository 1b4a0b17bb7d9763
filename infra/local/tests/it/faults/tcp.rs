//! A proxy in front of PostgreSQL or Valkey.

use std::{io, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::mode::Mode;

/// How many connections in a row pass while a server is half away. As many are closed after them. It is
/// as many as a request of the API needs at most, so that some requests succeed and others fail.
const ROW: u32 = 3;
/// After how many answers of Valkey a connection is cut while Valkey is half away.
const ANSWERS: u32 = 16;

/// What the server behind the proxy speaks.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    Postgres,
    Valkey,
}

/// Starts a proxy in front of the server at this port of this machine, and returns its own port. It stops
/// with the test.
pub(crate) async fn start(server: u16, protocol: Protocol, mode: watch::Receiver<Mode>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut last, mut number) = (Mode::Pass, 0);
        while let Ok((client, _)) = listener.accept().await {
            let now = *mode.borrow();
            number = if now == last { number + 1 } else { 0 };
            last = now;
            if now == Mode::Away || now == Mode::Half && number % (2 * ROW) >= ROW {
                continue;
            }
            tokio::spawn(relay(client, server, Ends::new(protocol), mode.clone()));
        }
    });
    port
}

/// Passes bytes in both directions until one side closes the connection, or it is cut.
async fn relay(mut client: TcpStream, server: u16, mut ends: Ends, mut mode: watch::Receiver<Mode>) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    // Only a later change is one for this connection.
    mode.mark_unchanged();
    let (mut asked, mut answered, mut late) = (vec![0; 16_384], vec![0; 16_384], Vec::new());
    loop {
        tokio::select! {
            changed = mode.changed() => {
                let now = *mode.borrow_and_update();
                if changed.is_err() || now == Mode::Away || now == Mode::Half {
                    return Ok(());
                }
                if now != Mode::Slow {
                    client.write_all(&std::mem::take(&mut late)).await?;
                }
            },
            read = client.read(&mut asked) => match read? {
                0 => return Ok(()),
                bytes => server.write_all(&asked[..bytes]).await?,
            },
            read = server.read(&mut answered) => {
                let (bytes, now) = (read?, *mode.borrow());
                if bytes == 0 {
                    return Ok(());
                }
                if now == Mode::Slow {
                    late.extend_from_slice(&answered[..bytes]);
                    continue;
                }
                client.write_all(&answered[..bytes]).await?;
                if ends.after(&answered[..bytes]) && now == Mode::Half {
                    return Ok(());
                }
            },
        }
    }
}

/// Says when a connection to a server that is half away is cut.
struct Ends {
    protocol: Protocol,
    answers: u32,
    is_in_transaction: bool,
}

impl Ends {
    fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            answers: 0,
            is_in_transaction: false,
        }
    }

    /// Whether it is cut after this answer. A connection to PostgreSQL is cut when a transaction is over,
    /// so that the next one needs another connection. Each answer of PostgreSQL ends with
    /// `ReadyForQuery`, whose last byte says whether a transaction is open.
    fn after(&mut self, answer: &[u8]) -> bool {
        self.answers += 1;
        match self.protocol {
            Protocol::Valkey => self.answers >= ANSWERS,
            Protocol::Postgres => {
                let was_in_transaction = self.is_in_transaction;
                if let Some(state) = answer.strip_suffix(b"T").and_then(ready) {
                    self.is_in_transaction = state;
                    return false;
                }
                was_in_transaction && answer.strip_suffix(b"I").and_then(ready).is_some()
            }
        }
    }
}

/// Whether an answer without its last byte ends with the head of `ReadyForQuery`.
fn ready(answer: &[u8]) -> Option<bool> {
    answer.ends_with(b"Z\0\0\0\x05").then_some(true)
}
