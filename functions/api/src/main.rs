//! The HTTP API behind API Gateway.

use std::sync::Arc;

use api::Context;
use lambda_http::{Error, lambda_runtime, service_fn};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("api");
    let router = api::router(Arc::new(Context::try_from_env().await?));
    lambda_runtime::run(service_fn(move |event| {
        let router = router.clone();
        async move {
            let answer = api::answer(router, event).await;
            telemetry::flush();
            answer
        }
    }))
    .await
}
