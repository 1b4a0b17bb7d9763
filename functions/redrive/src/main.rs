//! Empties the dead-letter queues, on a schedule or when an operator calls it.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use redrive::Context;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("redrive");
    let context = Arc::new(Context::try_from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let context = Arc::clone(&context);
        async move { telemetry::end(Box::pin(redrive::handle(&context, event.context.deadline())).await) }
    }))
    .await
}
