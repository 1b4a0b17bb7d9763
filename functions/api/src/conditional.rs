//! What a client says about the answer that it has already, and whether that answer is still valid
//! (RFC 9110 §13).

use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use shared::job::SummaryResource;
use time::{Duration, OffsetDateTime};

/// The state of a job, as the headers of an answer give it.
pub(crate) struct Validators {
    tag: String,
    modified: Option<SystemTime>,
}

impl Validators {
    pub(crate) fn of(resource: &SummaryResource) -> Self {
        Self {
            tag: entity_tag(resource),
            modified: resource.finished_at().map(whole_second).map(SystemTime::from),
        }
    }

    /// Whether the client has the answer already. If there is an `If-None-Match`, it decides, and
    /// `If-Modified-Since` is ignored.
    pub(crate) fn are_known(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let lists = headers
                .get_all(header::IF_NONE_MATCH)
                .iter()
                .filter_map(|value| value.to_str().ok());
            return lists.flat_map(|list| list.split(',')).any(|tag| matches(tag.trim(), &self.tag));
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
        let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
        self.modified.zip(since).is_some_and(|(modified, since)| modified <= since)
    }

    /// Adds `ETag`, and `Last-Modified` if the job has finished.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        // RFC 9110 §8.8.2.1 forbids a time in the future.
        let modified = self.modified.filter(|modified| *modified <= SystemTime::now());
        if let Some(Ok(modified)) = modified.map(|modified| httpdate::fmt_http_date(modified).parse()) {
            headers.insert(header::LAST_MODIFIED, modified);
        }
    }
}

/// The weak comparison (RFC 9110 §8.8.3.2): a tag of the client counts whether it is weak or not.
fn matches(candidate: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    candidate == "*" || opaque(candidate) == opaque(tag)
}

/// The first whole second at which a job had finished. A job that finishes within a second changes
/// in this second, so that a client which has read it before cannot say so with the second itself.
fn whole_second(at: OffsetDateTime) -> OffsetDateTime {
    let begun = at.truncate_to_second();
    if begun == at { at } else { begun + Duration::SECOND }
}

/// The entity tag of a job. It is made of everything in a job that can change, except the estimate of
/// its wait: the status, the time at which the job finished, and the number of attempts. It is weak,
/// because the answer may be compressed or not.
fn entity_tag(resource: &SummaryResource) -> String {
    let state = format!(
        "{} {} {:?} {}",
        resource.id,
        resource.status().as_str(),
        resource.finished_at(),
        resource.attempts.len()
    );
    let hash = Sha256::digest(state);
    format!("W/\"{}\"", shared::job::hex(&hash[..12]))
}

#[cfg(test)]
mod tests {
    use shared::job::{FailureCode, JobError, Lane, Submission};
    use time::macros::datetime;

    use super::*;

    const FINISHED: OffsetDateTime = datetime!(2026-11-24 10:00:00.25 UTC);

    fn job() -> SummaryResource {
        let (_, request) = Submission::parse(br#"{"text":"One."}"#).unwrap();
        let id = "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV".parse().unwrap();
        SummaryResource::queued(id, Lane::Standard, "us-east-1".to_owned(), FINISHED, request)
    }

    fn failed(at: OffsetDateTime) -> SummaryResource {
        let mut job = job();
        job.fail(at, JobError::new(FailureCode::NoSentence, "Blank.")).unwrap();
        job
    }

    fn headers<'a>(pairs: impl IntoIterator<Item = (header::HeaderName, &'a str)>) -> HeaderMap {
        pairs.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn tags_are_compared_weakly_and_come_before_dates() {
        let validators = Validators::of(&failed(FINISHED));
        let strong = validators.tag.trim_start_matches("W/").to_owned();
        let later = (header::IF_MODIFIED_SINCE, "Wed, 25 Nov 2026 10:00:00 GMT");
        for (tags, is_known) in [
            (validators.tag.clone(), true),
            (strong.clone(), true),
            (format!("\"a\", {strong}"), true),
            ("*".to_owned(), true),
            ("\"a\"".to_owned(), false),
            (strong.trim_matches('"').to_owned(), false),
            (String::new(), false),
        ] {
            let headers = headers([(header::IF_NONE_MATCH, tags.as_str()), later.clone()]);
            assert_eq!(validators.are_known(&headers), is_known, "{tags}");
        }
    }

    #[test]
    fn a_date_counts_from_the_first_whole_second_after_the_end() {
        for (since, is_known) in [
            ("Tue, 24 Nov 2026 10:00:00 GMT", false),
            ("Tue, 24 Nov 2026 10:00:01 GMT", true),
            ("Tuesday, 24-Nov-26 10:00:01 GMT", true),
            ("Tue Nov 24 10:00:01 2026", true),
            ("2026-11-24T10:00:01Z", false),
            ("yesterday", false),
        ] {
            let since = headers([(header::IF_MODIFIED_SINCE, since)]);
            assert_eq!(Validators::of(&failed(FINISHED)).are_known(&since), is_known, "{since:?}");
            assert!(!Validators::of(&job()).are_known(&since), "{since:?}");
        }
    }

    #[test]
    fn a_finished_job_names_the_second_once_it_has_passed() {
        let named = |job: &SummaryResource| {
            let mut headers = HeaderMap::new();
            Validators::of(job).add_to(&mut headers);
            assert!(headers[header::ETAG].to_str().unwrap().starts_with("W/\""));
            headers.get(header::LAST_MODIFIED).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(named(&job()), None);
        assert_eq!(
            named(&failed(datetime!(2025-11-24 10:00:00.25 UTC))).as_deref(),
            Some("Mon, 24 Nov 2025 10:00:01 GMT")
        );
        assert_eq!(named(&failed(OffsetDateTime::now_utc() + Duration::MINUTE)), None);
    }
}
