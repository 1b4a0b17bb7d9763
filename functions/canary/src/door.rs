//! Ways to a function: through its public address, or by invoking one version of it.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::primitives::Blob;
use lambda_runtime::Error;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// Longer than a cold start and a request together.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) enum Door {
    Public { http: reqwest::Client, url: String },
    Invoked { lambda: aws_sdk_lambda::Client, arn: String },
}

impl Door {
    pub(crate) fn public(url: String) -> Self {
        Self::Public {
            http: reqwest::Client::new(),
            url,
        }
    }

    /// One version of a function. A failure is not tried again: it is what the canary is there for.
    pub(crate) fn invoked(aws: &SdkConfig, arn: String) -> Self {
        let patience = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let config = aws_sdk_lambda::config::Builder::from(aws)
            .timeout_config(patience)
            .retry_config(RetryConfig::disabled());
        Self::Invoked {
            lambda: aws_sdk_lambda::Client::from_conf(config.build()),
            arn,
        }
    }

    /// What reports and errors call it: host, or function and version.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Public { url, .. } => url,
            Self::Invoked { arn, .. } => arn.split_once(":function:").map_or(arn, |(_, name)| name),
        }
    }

    /// An HTTP request to the API; returns status and body.
    pub(crate) async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        key: &SecretString,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Error> {
        match self {
            Self::Public { http, url } => {
                let mut request = http.request(method, format!("{url}{path}")).timeout(PATIENCE);
                request = request.bearer_auth(key.expose_secret());
                if let Some(body) = body {
                    request = request.json(body);
                }
                let response = request.send().await?;
                Ok((response.status().as_u16(), response.json().await?))
            }
            Self::Invoked { .. } => {
                let reply = self.invoke(&gateway_event(method.as_str(), path, key, body)).await?;
                let status = reply["statusCode"].as_u64().and_then(|status| status.try_into().ok());
                let body = reply["body"].as_str().unwrap_or_default();
                Ok((status.ok_or("it answered without a status")?, serde_json::from_str(body)?))
            }
        }
    }

    /// Invokes the function with an event of its own kind.
    pub(crate) async fn invoke(&self, event: &Value) -> Result<Value, Error> {
        let Self::Invoked { lambda, arn } = self else {
            return Err("only a function can be invoked".into());
        };
        let payload = Blob::new(serde_json::to_vec(event)?);
        let reply = lambda.invoke().function_name(arn).payload(payload).send().await?;
        let answer: Value = serde_json::from_slice(reply.payload().map(Blob::as_ref).unwrap_or_default())?;
        match reply.function_error() {
            Some(kind) => Err(format!("{kind}: {}", answer["errorMessage"]).into()),
            None => Ok(answer),
        }
    }
}

/// What API Gateway makes of a request, as far as the API looks at it.
fn gateway_event(method: &str, path: &str, key: &SecretString, body: Option<&Value>) -> Value {
    let time = time::OffsetDateTime::now_utc();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "host": "canary",
            "authorization": format!("Bearer {}", key.expose_secret()),
            "content-type": "application/json",
        },
        "requestContext": {
            "accountId": "canary",
            "apiId": "canary",
            "domainName": "canary",
            "domainPrefix": "canary",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "canary" },
            "requestId": "canary",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": time.unix_timestamp() * 1000,
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    })
}
