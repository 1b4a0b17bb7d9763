//! The HTTP API behind API Gateway.

use std::sync::Arc;

use api::Context;
use lambda_http::{Error, service_fn, tower::ServiceExt};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("api");
    let router = api::router(Arc::new(Context::try_from_env().await?));
    lambda_http::run(service_fn(move |request| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await;
            telemetry::flush();
            response
        }
    }))
    .await
}
