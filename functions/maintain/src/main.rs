//! Migrates the database when a stack is deployed, and keeps its partitions on a schedule.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use maintain::{Context, Task};
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("maintain");
    let context = Arc::new(Context::try_from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Task>| {
        let context = Arc::clone(&context);
        async move { telemetry::end(maintain::handle(&context, event.payload).await) }
    }))
    .await
}
