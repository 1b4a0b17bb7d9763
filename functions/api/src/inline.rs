//! Makes a small summary inside the request.

use std::time::{Duration, Instant};

use shared::job::{self, Method, RequestOptions, SummaryResource, SummaryResult, Unmade};
use time::OffsetDateTime;

/// The longest text that is summarised inside a request, in bytes. The engine takes some
/// milliseconds of processor time for it.
pub(crate) const BYTES: usize = 32 * 1024;
/// How long the engine may work on it. A job that takes longer is queued.
const TIME: Duration = Duration::from_secs(2);

/// Finishes a job with the summary of its text. Returns `false`, and leaves the job as it was, if
/// the engine was not ready in time.
pub(crate) async fn finish(resource: &mut SummaryResource, text: String, options: RequestOptions) -> bool {
    let started_at = OffsetDateTime::now_utc();
    let end = Instant::now() + TIME;
    let engine = move || job::summarize(&text, &options, &|| Instant::now() < end);
    let made = tokio::task::spawn_blocking(engine).await;
    let made = made.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let finished_at = OffsetDateTime::now_utc();
    let ended = match made {
        Ok(summary) => {
            let result = SummaryResult {
                summary,
                method: Method::Extractive,
                degraded: false,
            };
            resource.start(started_at).and_then(|()| resource.succeed(finished_at, result))
        }
        Err(Unmade::Rejected(error)) => resource.fail(finished_at, error),
        Err(Unmade::Stopped) => return false,
    };
    // A queued job may always be started and finished.
    ended.is_ok()
}
