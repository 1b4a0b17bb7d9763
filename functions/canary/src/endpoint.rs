//! The two ways to reach a function: through the public address of the API, or by invoking one
//! version of the function.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::{operation::invoke::InvokeError, primitives::Blob};
use lambda_runtime::Error;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use shared::gateway;

/// How long the canary waits for one answer. A cold start and a request together take less.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long the canary waits before it repeats a call that was throttled, so that nothing ran. The
/// time limit of a run ends the waiting.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) enum Endpoint {
    Public { http: reqwest::Client, url: String },
    Invoked { lambda: aws_sdk_lambda::Client, arn: String },
}

impl Endpoint {
    pub(crate) fn public(url: String) -> Self {
        Self::Public {
            http: reqwest::Client::new(),
            url,
        }
    }

    /// One version of a function. The client does not repeat a failed call, because the canary has
    /// to notice every failure. [`Endpoint::invoke`] repeats a refused one.
    pub(crate) fn invoked(aws: &SdkConfig, arn: String) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_sdk_lambda::config::Builder::from(aws)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        Self::Invoked {
            lambda: aws_sdk_lambda::Client::from_conf(config.build()),
            arn,
        }
    }

    /// The name in reports and errors: the address of the API, or the function and its version.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Public { url, .. } => url,
            Self::Invoked { arn, .. } => arn.split_once(":function:").map_or(arn, |(_, name)| name),
        }
    }

    /// Sends an HTTP request to the API. Returns the status and the body of the answer.
    pub(crate) async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        key: &SecretString,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Error> {
        match self {
            Self::Public { http, url } => {
                let mut request = http.request(method, format!("{url}{path}")).timeout(TIMEOUT);
                request = request.bearer_auth(key.expose_secret());
                if let Some(body) = body {
                    request = request.json(body);
                }
                loop {
                    let again = request.try_clone().ok_or("the request cannot be sent again")?;
                    let response = again.send().await?;
                    if response.status() != reqwest::StatusCode::TOO_MANY_REQUESTS {
                        return Ok((response.status().as_u16(), response.json().await?));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Self::Invoked { .. } => {
                let reply = self.invoke(&gateway::event(method.as_str(), path, Some(key), body)).await?;
                let status = reply["statusCode"].as_u64().and_then(|status| status.try_into().ok());
                let body = reply["body"].as_str().unwrap_or_default();
                Ok((status.ok_or("the answer has no status code")?, serde_json::from_str(body)?))
            }
        }
    }

    /// Invokes the function with an event.
    pub(crate) async fn invoke(&self, event: &Value) -> Result<Value, Error> {
        let Self::Invoked { lambda, arn } = self else {
            return Err("the public address of the API cannot be invoked as a function".into());
        };
        let payload = Blob::new(serde_json::to_vec(event)?);
        let reply = loop {
            let reply = Box::pin(lambda.invoke().function_name(arn).payload(payload.clone()).send()).await;
            match reply {
                // All concurrency of the function is in use.
                Err(error) if error.as_service_error().is_some_and(InvokeError::is_too_many_requests_exception) => {
                    tokio::time::sleep(PAUSE).await;
                }
                reply => break reply?,
            }
        };
        let answer: Value = serde_json::from_slice(reply.payload().map(Blob::as_ref).unwrap_or_default())?;
        match reply.function_error() {
            Some(kind) => Err(format!("{kind}: {}", answer["errorMessage"]).into()),
            None => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use serde_json::json;

    use super::*;

    /// A server that refuses the first request and answers the second one.
    async fn busy_at_first() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for status in ["429 Too Many Requests\r\nx-amzn-errortype: TooManyRequestsException", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 8192];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 11\r\n\r\n{{\"ok\":true}}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_throttled_call_is_repeated() {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(busy_at_first().await)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let function = Endpoint::invoked(&aws, "worker".to_owned());
        assert_eq!(function.invoke(&json!({})).await.unwrap(), json!({"ok": true}));

        let api = Endpoint::public(busy_at_first().await);
        let key = SecretString::from("sk_test");
        let answer = api.request(reqwest::Method::GET, "/v1/health", &key, None).await.unwrap();
        assert_eq!(answer, (200, json!({"ok": true})));
    }
}
