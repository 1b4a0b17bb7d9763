//! A proxy in front of the endpoint of AWS. It knows the service of each request, and strikes one of them.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::mode::Mode;

/// The requests that fail.
#[derive(Clone)]
pub(crate) struct Target {
    /// The service as requests are signed for it: `sqs`, `s3` or `dynamodb`.
    pub(crate) service: &'static str,
    /// The table, if only one of them is struck.
    pub(crate) table: Option<String>,
}

/// Starts a proxy in front of the endpoint at this port of this machine, and returns its own port. It
/// stops with the test.
pub(crate) async fn start(server: u16, target: Target, mode: watch::Receiver<Mode>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = Proxy {
        server,
        target: Arc::new(target),
        mode,
        batches: Arc::default(),
    };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(proxy.clone().answer(client));
        }
    });
    port
}

#[derive(Clone)]
struct Proxy {
    server: u16,
    target: Arc<Target>,
    mode: watch::Receiver<Mode>,
    /// How many batches of writes came to DynamoDB while it was half away.
    batches: Arc<AtomicU32>,
}

impl Proxy {
    /// Answers one request, and closes the connection.
    async fn answer(mut self, mut client: TcpStream) -> io::Result<()> {
        let Some(request) = Request::read(&mut client).await? else {
            return Ok(());
        };
        let mode = if request.is_for(&self.target) {
            *self.mode.borrow()
        } else {
            Mode::Pass
        };
        let answer = match mode {
            Mode::Pass | Mode::Emptied => request.pass(self.server).await?,
            Mode::Away => self.refusal(),
            Mode::Slow => {
                let answer = request.pass(self.server).await?;
                let _ = self.mode.wait_for(|mode| *mode != Mode::Slow).await;
                answer
            }
            // The SDK tries each request up to three times.
            Mode::Half
                if request
                    .header("amz-sdk-request")
                    .is_some_and(|attempt| !attempt.contains("attempt=2")) =>
            {
                self.refusal()
            }
            Mode::Half => self.half(request).await?,
        };
        client.write_all(&answer).await?;
        client.shutdown().await
    }

    /// The error of a service that cannot take a request, as the service writes it.
    fn refusal(&self) -> Vec<u8> {
        match self.target.service {
            "sqs" => response(
                "500 Internal Server Error",
                &json!({"__type": "com.amazonaws.sqs#InternalFailure", "message": "No."}).to_string(),
            ),
            "s3" => response("503 Slow Down", "<Error><Code>SlowDown</Code><Message>No.</Message></Error>"),
            _ => response(
                "400 Bad Request",
                &json!({"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "No."}).to_string(),
            ),
        }
    }

    /// Passes a request on. Of every other batch of writes, only the first half is processed.
    async fn half(&self, mut request: Request) -> io::Result<Vec<u8>> {
        let is_batch = request
            .header("x-amz-target")
            .is_some_and(|action| action.ends_with(".BatchWriteItem"));
        if !is_batch || self.batches.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return request.pass(self.server).await;
        }
        let mut body: Value = serde_json::from_slice(&request.body)?;
        let tables = body["RequestItems"].as_object_mut().into_iter().flatten();
        let (mut unprocessed, mut processed) = (json!({}), 0);
        for (table, items) in tables {
            let items = items.as_array_mut().ok_or(io::ErrorKind::InvalidData)?;
            let rest = items.split_off(items.len() / 2);
            processed += items.len();
            unprocessed[table] = rest.into();
        }
        if processed > 0 {
            request.body = body.to_string().into_bytes();
            request.pass(self.server).await?;
        }
        Ok(response("200 OK", &json!({"UnprocessedItems": unprocessed}).to_string()))
    }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A request as it was received.
struct Request {
    /// Method, path and version.
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request. Returns `None` if the client has closed the connection.
    async fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let mut body = bytes.split_off(end + 4);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let (line, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
        let headers = rest.lines().filter_map(|line| line.split_once(':'));
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Self {
            line: line.to_owned(),
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while body.len() < length {
            if client.read_buf(&mut body).await? == 0 {
                return Ok(None);
            }
        }
        request.body = body;
        Ok(Some(request))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is struck. A signature names the service in its scope: `Credential=KEY/DAY/REGION/SERVICE/aws4_request`.
    fn is_for(&self, target: &Target) -> bool {
        let scope = self.header("authorization").and_then(|value| value.split("Credential=").nth(1));
        let is_service = scope.and_then(|scope| scope.split('/').nth(3)) == Some(target.service);
        is_service
            && target
                .table
                .as_ref()
                .is_none_or(|table| String::from_utf8_lossy(&self.body).contains(&format!("\"{table}\"")))
    }

    /// The answer of the server.
    async fn pass(&self, server: u16) -> io::Result<Vec<u8>> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in self
            .headers
            .iter()
            .filter(|(name, _)| name != "content-length" && name != "connection")
        {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = self.body.len().to_string();
        head.extend(["content-length: ", &length, "\r\nconnection: close\r\n\r\n"]);
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
        server.write_all(&[head.as_bytes(), &self.body].concat()).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}
