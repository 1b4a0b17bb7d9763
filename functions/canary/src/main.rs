//! Makes real summaries and checks them: on a schedule through the public API, and with every new
//! version before it takes traffic.

use std::sync::Arc;

use canary::{Context, Task};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("canary");
    let context = Arc::new(Context::try_from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Task>| {
        let context = Arc::clone(&context);
        async move { telemetry::end(canary::handle(&context, event.payload, event.context.deadline()).await) }
    }))
    .await
}
