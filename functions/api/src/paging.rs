//! The parameters of a list, and its answer.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use shared::{page::Page, problem::Problem};
use utoipa::ToSchema;

use crate::{
    context::Context,
    object::{invalid, parameters},
};

/// The items of a page if the request does not say how many.
const USUAL: usize = 20;
/// The most items of a page.
const MOST: usize = 100;
/// Begins each cursor, so that a later version can give cursors of another form.
const VERSION: &str = "1.";

/// Which part of a list is asked for. The parameters that all lists have are `limit` and `cursor`.
pub(crate) struct Part {
    pub(crate) limit: usize,
    cursor: Option<String>,
    /// The parameters that only this list has.
    pub(crate) own: BTreeMap<String, String>,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    items: Vec<T>,
    /// Send it as `cursor` to read on. Absent if there are no more items.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("MS5rZXlfYjFhNWM5ZTA3ZDNmNDI2ODZlMTA"))]
    next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// The page, with the cursor that the id of its last item makes.
    pub(crate) fn of(page: Page<T>, id: impl FnOnce(&T) -> String) -> Self {
        let last = page.items.last().filter(|_| page.more);
        Self {
            next_cursor: last.map(|last| BASE64_URL_SAFE_NO_PAD.encode(format!("{VERSION}{}", id(last)))),
            items: page.items,
        }
    }
}

/// How many items a page has.
pub(crate) fn limit(given: Option<String>) -> Result<usize, Problem> {
    let limit = given.map_or(Some(USUAL), |limit| limit.parse().ok());
    let limit = limit.filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| invalid("?limit", format!("The value must be a whole number from 1 to {MOST}.")))
}

impl Part {
    /// Reads the parameters of a list. `own` are the names of the parameters that only this list has.
    pub(crate) fn read(uri: &Uri, own: &[&str]) -> Result<Self, Problem> {
        let mut known = parameters(uri)?;
        let own_values = own.iter().filter_map(|name| known.remove_entry(*name)).collect();
        let limit = limit(known.remove("limit"))?;
        let cursor = known.remove("cursor");
        if let Some(name) = known.into_keys().next() {
            let names: Vec<_> = ["limit", "cursor"].iter().chain(own).copied().collect();
            let detail = format!("There is no such parameter. Remove it. This list has: {}.", names.join(", "));
            return Err(invalid(&format!("?{name}"), detail));
        }
        Ok(Self {
            limit,
            cursor,
            own: own_values,
        })
    }

    /// Where to read on, if the request says so.
    pub(crate) fn after<T>(&self, read: impl FnOnce(String) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let id = text.and_then(|text| read(text.strip_prefix(VERSION)?.to_owned()));
        let wrong = || {
            invalid(
                "?cursor",
                "The value is no cursor of this list. Send the `next_cursor` of a page, or none to begin.",
            )
        };
        id.map(Some).ok_or_else(wrong)
    }
}

impl FromRequestParts<Arc<Context>> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Context>) -> Result<Self, Problem> {
        Self::read(&parts.uri, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Part, Problem> {
        Part::read(&format!("/v1/keys?{query}").parse().unwrap(), &[])
    }

    #[test]
    fn a_cursor_leads_to_the_next_page() {
        let page = Page::first(vec!["a", "b", "c"], 2);
        let listed = Listed::of(page, |id| (*id).to_owned());
        let part = read(&format!("limit=2&cursor={}", listed.next_cursor.unwrap())).unwrap();
        assert_eq!((part.limit, part.after(Some).unwrap()), (2, Some("b".to_owned())));
        assert!(Listed::of(Page::first(vec!["a"], 2), |id| (*id).to_owned()).next_cursor.is_none());
        assert_eq!(read("").unwrap().limit, USUAL);
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, pointer) in [
            ("limit=0", "?limit"),
            ("limit=101", "?limit"),
            ("limit=-1", "?limit"),
            ("limit=", "?limit"),
            ("limit=1&limit=2", "?limit"),
            ("tenant=acme", "?tenant"),
            ("cursor=a&page=2", "?page"),
        ] {
            let problem = read(query).err().unwrap();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, pointer), "{query}");
        }
        for cursor in ["", "a", "%FF", "MS5", "Mi5h"] {
            let part = read(&format!("cursor={cursor}")).unwrap();
            let problem = part.after(|id| Some(id).filter(|id| id.len() > 1)).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, "?cursor"), "{cursor}");
        }
    }
}
