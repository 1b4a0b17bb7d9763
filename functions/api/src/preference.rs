//! The header `Prefer: wait=N` (RFC 7240): how long a client would wait for the end of a job.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait, in seconds. A request may take 15 seconds in all.
pub(crate) const LONGEST: u64 = 10;

/// For how many seconds the client would wait. A longer wait is cut to [`LONGEST`]. `None` if there
/// is no such preference. One that cannot be read is ignored, as RFC 7240 asks for.
pub(crate) fn wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    // If a preference is given twice, the first one counts.
    let wait = preferences
        .filter_map(|preference| preference.split(';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))?;
    let seconds: u64 = wait.1.trim().trim_matches('"').parse().ok()?;
    Some(seconds.min(LONGEST)).filter(|seconds| *seconds > 0)
}

/// Says that the request has waited, or that the job had finished before.
pub(crate) fn applied(headers: &mut HeaderMap, seconds: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("wait={seconds}")) {
        headers.insert(APPLIED, value);
    }
}

pub(crate) const fn duration(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_from_any_form_of_the_header() {
        for (value, expected) in [
            ("wait=5", Some(5)),
            ("respond-async, WAIT = 3; x=y", Some(3)),
            ("wait=\"7\"", Some(7)),
            ("wait=600", Some(LONGEST)),
            ("wait=5, wait=9", Some(5)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait=soon", None),
            ("wait", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, value.parse().unwrap());
            assert_eq!(wait(&headers), expected, "{value}");
        }
        assert_eq!(wait(&HeaderMap::new()), None);
    }
}
