//! The parameters of a list, and the cursor that leads to the next page.

use axum::http::Uri;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use shared::{
    job::{Filter, Lane, Span, Status},
    problem::Problem,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    object::{invalid, query},
    paging::limit,
};

/// The version of the cursors that this service writes and reads.
const VERSION: u8 = 1;

/// The query as it is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    status: Option<Status>,
    lane: Option<Lane>,
    created_from: Option<String>,
    created_to: Option<String>,
    metadata_key: Option<String>,
    metadata_value: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    pub(crate) span: Span,
    pub(crate) limit: usize,
}

/// Where the next page begins. It is opaque to clients.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    v: u8,
    before: u128,
    filter: String,
}

impl Wanted {
    pub(crate) fn parse(uri: &Uri) -> Result<Self, Problem> {
        let parameters: Parameters = query(uri)?;
        let metadata = match (parameters.metadata_key, parameters.metadata_value) {
            (Some(key), Some(value)) if !key.contains('\0') && !value.contains('\0') => Some((key, value)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "?metadata_key",
                    "`metadata_key` and `metadata_value` must not contain U+0000.",
                ));
            }
            _ => {
                return Err(invalid(
                    "?metadata_key",
                    "`metadata_key` and `metadata_value` must be sent together.",
                ));
            }
        };
        let filter = Filter {
            status: parameters.status,
            lane: parameters.lane,
            metadata,
        };
        let limit = limit(parameters.limit)?;
        let mut span = Span::ALL;
        if let Some(from) = parameters.created_from {
            span = span.since(moment("created_from", &from)?);
        }
        if let Some(to) = parameters.created_to {
            span = span.until(moment("created_to", &to)?);
        }
        if let Some(cursor) = parameters.cursor {
            span = span.before(Cursor::decode(&cursor, &filter)?);
        }
        Ok(Self { filter, span, limit })
    }
}

fn moment(name: &str, text: &str) -> Result<OffsetDateTime, Problem> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        invalid(
            &format!("?{name}"),
            format!("`{name}` must be a moment of RFC 3339, such as `2027-01-31T12:00:00Z`. Write a `+` in it as `%2B`."),
        )
    })
}

impl Cursor {
    pub(crate) fn new(before: Uuid, filter: &Filter) -> Self {
        Self {
            v: VERSION,
            before: before.as_u128(),
            filter: digest(filter),
        }
    }

    pub(crate) fn encode(&self) -> String {
        // This cannot fail: a cursor holds only numbers and a string.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str, filter: &Filter) -> Result<Uuid, Problem> {
        let unreadable = || {
            invalid(
                "?cursor",
                "`cursor` must be the `next_cursor` of the page before, as it is. To begin again, leave it out.",
            )
        };
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| unreadable())?;
        let cursor: Self = serde_json::from_slice(&json).map_err(|_| unreadable())?;
        if cursor.v != VERSION {
            return Err(unreadable());
        }
        if cursor.filter != digest(filter) {
            return Err(invalid(
                "?cursor",
                "`cursor` belongs to a list with other filters. Send the same filters as for the page before, or leave the cursor out.",
            ));
        }
        Ok(Uuid::from_u128(cursor.before))
    }
}

/// A short form of the filters, by which a cursor is known to belong to them.
fn digest(filter: &Filter) -> String {
    use sha2::{Digest, Sha256};
    shared::job::hex(&Sha256::digest(serde_json::to_vec(filter).unwrap_or_default())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Wanted, String> {
        let uri = format!("/v1/summaries?{query}").parse().unwrap();
        Wanted::parse(&uri).map_err(|problem| problem.errors[0].detail.clone())
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, says) in [
            ("limit=0", "from 1 to 100"),
            ("limit=101", "from 1 to 100"),
            ("limit=many", "from 1 to 100"),
            ("status=asleep", "`queued`, `running`"),
            ("sort=up", "send one of `status`, `lane`"),
            ("created_from=monday", "`created_from`"),
            ("created_to=2026-13-01T00:00:00Z", "`created_to`"),
            ("metadata_key=a", "together"),
            ("metadata_key=a%00&metadata_value=b", "U+0000"),
            ("cursor=abc", "`next_cursor`"),
            ("cursor=", "`next_cursor`"),
        ] {
            let detail = parse(query).unwrap_err();
            assert!(detail.contains(says), "{query}: {detail}");
        }
        assert_eq!(parse("").unwrap().limit, 20);
    }

    #[test]
    fn a_cursor_belongs_to_its_filters() {
        let queued = Filter {
            status: Some(Status::Queued),
            ..Filter::default()
        };
        let before = Uuid::from_u128(7 << 70);
        let cursor = Cursor::new(before, &queued).encode();
        let page = parse(&format!("status=queued&cursor={cursor}")).unwrap();
        assert!(!page.span.has(before) && page.span.has(Uuid::from_u128((7 << 70) - 1)));
        assert!(parse(&format!("cursor={cursor}")).unwrap_err().contains("other filters"));
    }
}
