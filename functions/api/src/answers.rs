//! What many routes have in common in the `OpenAPI` description: the problems that they answer
//! with, and the parameters of lists.

#![expect(dead_code, reason = "only the derived descriptions are used")]

use shared::problem::Problem;
use utoipa::{IntoParams, IntoResponses};

/// Problems of every route that needs a key.
#[derive(IntoResponses)]
pub(crate) enum Guarded {
    /// The request has no valid API key.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The key lacks a scope, which `detail` names, or its tenant is suspended.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// A store does not answer. Try again after `Retry-After` seconds.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Problems of every route that takes a body.
#[derive(IntoResponses)]
pub(crate) enum WithBody {
    /// The body is not JSON, or not UTF-8.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// The body is longer than 16 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not declared as JSON. Send `Content-Type: application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// Some fields are invalid. `errors` names them, with what is allowed.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// Problems of every list.
#[derive(IntoResponses)]
pub(crate) enum WithQuery {
    /// A parameter is invalid. `errors` names it, with what is allowed.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
}

/// The parameters of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The most items of a page. It is 20 if it is absent.
    #[param(minimum = 1, maximum = 100, example = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[param(example = "MS5rZXlfYjFhNWM5ZTA3ZDNmNDI2ODZlMTA")]
    cursor: Option<String>,
}
