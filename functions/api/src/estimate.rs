//! How long a job will wait in its lane.

use std::time::Duration;

use shared::{
    job::{Lane, SummaryResource},
    store::{Chain, Store, StoreError, in_time},
};

use crate::context::Context;

/// How long the stores are waited for that know it. It is short, because a client waits for its answer
/// meanwhile, and the answer is right without the estimate.
const TIMEOUT: Duration = Duration::from_millis(300);

/// Adds the estimate to a job that waits in the bulk lane. In the other lanes jobs wait for less than
/// the client waits before its next read.
pub(crate) async fn estimate(context: &Context, resource: &mut SummaryResource) {
    if resource.status() != shared::job::Status::Queued || resource.lane != Lane::Bulk {
        return;
    }
    let look = async {
        let looked = in_time(Store::Lanes, "estimate the wait of a job", TIMEOUT, look(context, Lane::Bulk)).await;
        looked.unwrap_or_else(|error| {
            tracing::warn!(error = %Chain(&error), "The wait of a job cannot be estimated.");
            None
        })
    };
    resource.estimated_wait = context.estimates.0.get_with(Lane::Bulk, Box::pin(look)).await;
}

async fn look(context: &Context, lane: Lane) -> Result<Option<u32>, StoreError> {
    let (waiting, throughput) = tokio::join!(context.lanes[lane].depth(), context.cache.throughput(lane));
    Ok(seconds(waiting?, throughput?))
}

/// Seconds until the jobs that wait have been begun. `None` if no job has finished in the last minutes
/// although some wait: then nobody can say.
fn seconds(waiting: f64, throughput: f64) -> Option<u32> {
    if waiting < 1.0 {
        return Some(1);
    }
    // A lane that has just begun has finished few jobs in the last minutes.
    let seconds = (waiting / throughput).ceil();
    if !seconds.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is within the bounds"
    )]
    let seconds = seconds.clamp(1.0, f64::from(u32::MAX)) as u32;
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_from_the_jobs_before_and_the_throughput() {
        assert_eq!(seconds(0.0, 0.0), Some(1));
        assert_eq!(seconds(100.0, 10.0), Some(10));
        assert_eq!(seconds(101.0, 10.0), Some(11));
        assert_eq!(seconds(1.0, 100.0), Some(1));
        assert_eq!(seconds(5.0, 0.0), None);
    }
}
