//! The worker of a lane. The same binary is deployed once for each lane.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::telemetry;
use summarize::Context;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init("summarize");
    let context = Arc::new(Context::try_from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<_>| {
        let context = Arc::clone(&context);
        async move {
            let deadline = event.context.deadline();
            let response = summarize::handle(&context, event.payload, event.context.request_id, deadline).await;
            telemetry::flush();
            Ok::<_, Error>(response)
        }
    }))
    .await
}
