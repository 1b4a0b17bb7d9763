//! The headers `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). The answers
//! of all operations to a valid key have them, if the cache answers.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use shared::{
    cache::Left,
    directory::Holder,
    quota::{Limits, Rate},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a request has found out about its rates. The handler notes it, and the answer shows it.
#[derive(Clone, Default)]
pub(crate) struct Rates(Arc<Mutex<Noted>>);

#[derive(Clone, Default)]
pub(crate) struct Noted {
    pub(crate) holder: Option<Holder>,
    pub(crate) left: Option<Left>,
}

impl Rates {
    pub(crate) fn note_holder(&self, holder: &Holder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).holder = Some(holder.clone());
    }

    pub(crate) fn note_left(&self, left: Left) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).left = Some(left);
    }

    pub(crate) fn noted(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Adds the headers to an answer.
pub(crate) fn show(headers: &mut HeaderMap, limits: &Limits, left: Option<Left>) {
    let policy = |name: &str, rate: Rate| format!("\"{name}\";q={};w={}", rate.burst(), seconds(rate.window()));
    let mut insert = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    insert(
        POLICY,
        format!("{}, {}", policy("key", limits.key), policy("tenant", limits.tenant)),
    );
    if let Some(Left { key, tenant }) = left {
        let level = |name: &str, left: u32, full_in: i64| format!("\"{name}\";r={left};t={}", seconds(full_in));
        insert(
            RATE_LIMIT,
            format!(
                "{}, {}",
                level("key", key.left, key.full_in),
                level("tenant", tenant.left, tenant.full_in)
            ),
        );
    }
}

/// Whole seconds for a time in microseconds, rounded up.
pub(crate) fn seconds(microseconds: i64) -> u64 {
    u64::try_from(microseconds).unwrap_or_default().div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use shared::{job::Plan, quota::Level};

    use super::*;

    #[test]
    fn the_headers_have_the_form_of_the_draft() {
        let level = Level { left: 19, full_in: 1 };
        let mut headers = HeaderMap::new();
        show(&mut headers, &Limits::of(Plan::Free), Some(Left { key: level, tenant: level }));
        assert_eq!(headers[POLICY], r#""key";q=20;w=20, "tenant";q=20;w=20"#);
        assert_eq!(headers[RATE_LIMIT], r#""key";r=19;t=1, "tenant";r=19;t=1"#);
    }
}
