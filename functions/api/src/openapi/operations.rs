//! The operations of a description.

use utoipa::openapi::{
    OpenApi as Document,
    path::{Operation, PathItem},
};

/// Every operation of every path.
pub(super) fn operations(document: &mut Document) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|path: &mut PathItem| {
        [
            &mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.options, &mut path.head, &mut path.patch,
        ]
        .into_iter()
        .filter_map(Option::as_mut)
    })
}

/// Examples with a name and a summary.
pub(super) type Named = Vec<(&'static str, &'static str, serde_json::Value)>;
