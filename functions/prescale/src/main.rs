//! Makes capacity ready before demand comes, and sets the service level. It runs every minute.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use prescale::{Context, Task};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("prescale");
    let context = Arc::new(Context::try_from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Task>| {
        let context = Arc::clone(&context);
        async move { telemetry::end(prescale::handle(&context, event.payload).await) }
    }))
    .await
}
