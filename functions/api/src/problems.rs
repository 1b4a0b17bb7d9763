//! `GET /v1/problems`. The `type` of every problem document is a link to this page.

use axum::Json;
use shared::problem::{Kind, Problem};

/// List every kind of problem
///
/// The API answers with one of these problems when a request cannot be served. Each says what the
/// client can do next.
#[utoipa::path(get, path = "/v1/problems", operation_id = "listProblems", security(()), responses((status = 200, description = "Every kind of problem.", body = [Problem])))]
pub(crate) async fn list() -> Json<Vec<Problem>> {
    Json(Kind::ALL.into_iter().map(Problem::of).collect())
}
