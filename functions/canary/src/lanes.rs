//! Resumes lanes that `prescale` has paused, if `prescale` does not run any more.

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;
use reqwest::Method;
use shared::{gateway, job::Lane};

use crate::{context::Context, probe::Probe};

/// After which time without a run `prescale` counts as stopped. It runs every minute.
const STOPPED: SignedDuration = SignedDuration::from_mins(10);

/// Resumes the lanes that `prescale` has paused, if it has stopped and the database answers.
pub(crate) async fn resume(context: &Context, probe: &Probe<'_>) -> Result<(), Error> {
    let (remembered, _) = context.level.remembered().await?;
    let has_stopped = remembered.ran_at.is_some_and(|at| Timestamp::now().duration_since(at) > STOPPED);
    let held = Lane::ALL
        .into_iter()
        .zip(&context.lanes)
        .filter(|(lane, _)| remembered.circuit.holds(*lane));
    let held: Vec<_> = held.collect();
    if !has_stopped || held.is_empty() || !database_answers(context, probe).await? {
        return Ok(());
    }
    for (lane, worker) in held {
        let mappings = context.lambda.list_event_source_mappings().function_name(worker).send().await?;
        for mapping in mappings.event_source_mappings.unwrap_or_default() {
            if mapping.state() == Some("Disabled") {
                let request = context.lambda.update_event_source_mapping().set_uuid(mapping.uuid);
                request.enabled(true).send().await?;
                tracing::error!(%lane, "The function prescale has paused this lane and does not run any more. The lane is resumed.");
            }
        }
    }
    Ok(())
}

async fn database_answers(context: &Context, probe: &Probe<'_>) -> Result<bool, Error> {
    let (status, health) = context
        .version
        .request(Method::GET, gateway::DEEP_HEALTH, probe.key(), None)
        .await?;
    let answers = gateway::database_answers(&health);
    answers.ok_or_else(|| format!("the health check was answered with status {status}: {health}").into())
}
