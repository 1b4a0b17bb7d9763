//! `GET /v1/problems`: the page that every problem's `type` leads to.

use axum::Json;
use shared::problem::{Kind, Problem};

/// Every kind of problem
///
/// What the API answers with when something is wrong, and what to do then.
#[utoipa::path(get, path = "/v1/problems", operation_id = "listProblems", security(()), responses((status = 200, description = "All of them", body = [Problem])))]
pub(crate) async fn list() -> Json<Vec<Problem>> {
    Json(Kind::ALL.into_iter().map(Problem::of).collect())
}
