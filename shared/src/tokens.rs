//! Short-lived tokens that are used as passwords for Postgres and Valkey (IAM authentication).
//!
//! A token is a signed AWS request that is not sent. The store checks its signature when a
//! connection begins. Signing needs only the credentials of the function and no network call.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use futures::{StreamExt, future::BoxFuture, stream};
use redis::{BasicAuth, RedisError, StreamingCredentialsProvider};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Mutex, time::Instant};

use crate::store::BoxError;

/// How long AWS accepts a token.
const LIFETIME: Duration = Duration::from_mins(15);

type Issuer = dyn Fn() -> BoxFuture<'static, Result<SecretString, BoxError>> + Send + Sync;

/// The tokens of one user for one store. Clones share the current token.
#[derive(Clone)]
pub struct Tokens {
    user: String,
    lifetime: Duration,
    issuer: Arc<Issuer>,
    current: Arc<Mutex<Option<Current>>>,
}

/// The token in use. It is renewed when either clock has reached its time. Two clocks are needed
/// because, while Lambda freezes an environment, one of them may stop.
struct Current {
    token: SecretString,
    renew_at: (Instant, SystemTime),
}

/// The store that a token is for.
#[derive(Clone, Debug)]
pub enum Audience {
    /// Postgres, or the proxy in front of it, at this host and port.
    Postgres { host: String, port: u16 },
    /// The `ElastiCache` cache with this name.
    Valkey { name: String, serverless: bool },
}

impl Tokens {
    /// Tokens that `issuer` makes and that last for `lifetime`.
    pub fn new<F>(user: &str, lifetime: Duration, issuer: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<SecretString, BoxError>> + Send + Sync + 'static,
    {
        Self {
            user: user.to_owned(),
            lifetime,
            issuer: Arc::new(issuer),
            current: Arc::default(),
        }
    }

    /// Tokens signed with the credentials of this environment.
    ///
    /// # Errors
    /// If there are no credentials or no region.
    pub fn signed(aws: &SdkConfig, user: &str, audience: Audience) -> Result<Self, NoCredentials> {
        let credentials = aws.credentials_provider().ok_or(NoCredentials)?;
        let region = aws.region().ok_or(NoCredentials)?.to_string();
        let name = user.to_owned();
        Ok(Self::new(user, LIFETIME, move || {
            Box::pin(issue(credentials.clone(), region.clone(), name.clone(), audience.clone()))
        }))
    }

    /// The user that the tokens are for.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A token that is valid for at least a third of its lifetime. Callers at the same time share
    /// one token.
    ///
    /// # Errors
    /// If no token can be made.
    pub async fn current(&self) -> Result<SecretString, BoxError> {
        let mut current = self.current.lock().await;
        if let Some(Current { token, renew_at }) = &*current
            && Instant::now() < renew_at.0
            && SystemTime::now() < renew_at.1
        {
            return Ok(token.clone());
        }
        let renew_at = (Instant::now() + self.renewal(), SystemTime::now() + self.renewal());
        let token = (self.issuer)().await?;
        *current = Some(Current {
            token: token.clone(),
            renew_at,
        });
        Ok(token)
    }

    fn renewal(&self) -> Duration {
        self.lifetime * 2 / 3
    }
}

/// New connections begin with the current token. Open connections receive each new token.
impl StreamingCredentialsProvider for Tokens {
    fn subscribe(&self) -> std::pin::Pin<Box<dyn futures::Stream<Item = Result<BasicAuth, RedisError>> + Send + 'static>> {
        let tokens = self.clone();
        Box::pin(
            stream::unfold((tokens, true), |(tokens, first)| async move {
                if !first {
                    tokio::time::sleep(tokens.renewal()).await;
                }
                let token = tokens.current().await;
                let auth = token.map(|token| BasicAuth::new(tokens.user.clone(), token.expose_secret().to_owned()));
                let auth = auth.map_err(|error| RedisError::from(std::io::Error::other(error)));
                Some((auth, (tokens, false)))
            })
            .boxed(),
        )
    }
}

/// Tokens cannot be signed, because there are no AWS credentials or no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tokens cannot be signed without AWS credentials and a region; set both in the environment")]
pub struct NoCredentials;

async fn issue(credentials: SharedCredentialsProvider, region: String, user: String, audience: Audience) -> Result<SecretString, BoxError> {
    token(
        credentials.provide_credentials().await?,
        &region,
        &user,
        &audience,
        SystemTime::now(),
    )
}

fn token(credentials: Credentials, region: &str, user: &str, audience: &Audience, at: SystemTime) -> Result<SecretString, BoxError> {
    let (service, url) = match audience {
        Audience::Postgres { host, port } => ("rds-db", format!("https://{host}:{port}/?Action=connect&DBUser={user}")),
        Audience::Valkey { name, serverless } => {
            let kind = if *serverless { "&ResourceType=ServerlessCache" } else { "" };
            ("elasticache", format!("https://{name}/?Action=connect&User={user}{kind}"))
        }
    };
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFETIME);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(settings)
        .build()?;
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(request, &parameters.into())?.into_parts();
    let mut request = http::Request::builder().uri(&url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(SecretString::from(
        request.uri().to_string().trim_start_matches("https://").to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The signatures were made with botocore, for the same second and the same credentials.
    #[test]
    fn tokens_have_the_signatures_of_botocore() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_458_055);
        for (audience, begins, signature) in [
            (
                Audience::Postgres {
                    host: "db.example.com".to_owned(),
                    port: 5432,
                },
                "db.example.com:5432/?Action=connect&DBUser=summarease&X-Amz-",
                "573afe7c81491ea369eac4998d8e409e352de93deb9e13330fbe6c0984f93853",
            ),
            (
                Audience::Valkey {
                    name: "summarease".to_owned(),
                    serverless: false,
                },
                "summarease/?Action=connect&User=summarease&X-Amz-",
                "ab5497a622ffcba5600ee147892fd925804fadb65d7d8e7fd8ae7a4994c6d73e",
            ),
            (
                Audience::Valkey {
                    name: "summarease".to_owned(),
                    serverless: true,
                },
                "summarease/?Action=connect&User=summarease&ResourceType=ServerlessCache&X-Amz-",
                "83962f5ef9ad86008b197d63ba5b2f06ee80d520ae99d90f332bcb4ee0280ad8",
            ),
        ] {
            let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", Some("session/token+1=".to_owned()), None, "test");
            let token = token(credentials, "eu-west-1", "summarease", &audience, at).unwrap();
            let token = token.expose_secret();
            assert!(token.starts_with(begins), "{token}");
            assert!(
                token.contains("X-Amz-Expires=900") && token.contains("X-Amz-Security-Token=session%2Ftoken%2B1%3D"),
                "{token}"
            );
            assert!(token.contains(&format!("X-Amz-Signature={signature}")), "{token}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_token_is_shared_until_two_thirds_of_its_lifetime() {
        let issued = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&issued);
        let tokens = Tokens::new("me", Duration::from_secs(30), move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { Ok(SecretString::from(number.to_string())) })
        });
        let all = futures::future::join_all((0..50).map(|_| tokens.current())).await;
        assert!(all.into_iter().all(|token| token.unwrap().expose_secret() == "0"));
        tokio::time::advance(Duration::from_secs(19)).await;
        assert_eq!(tokens.current().await.unwrap().expose_secret(), "0");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(tokens.current().await.unwrap().expose_secret(), "1");
        assert_eq!(issued.load(Ordering::SeqCst), 2);
    }
}
