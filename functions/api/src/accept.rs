//! Whether a client takes the media type of the answers (RFC 9110 §12.5.1).

use axum::{
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use mime::{FromStrError, Mime};
use shared::problem::{Kind, Problem};

/// Refuses a request whose `Accept` says that the client takes neither JSON nor problem documents.
pub(crate) async fn json(request: Request, next: Next) -> Response {
    if takes_json(request.headers()) {
        next.run(request).await
    } else {
        Problem::of(Kind::NotAcceptable).into_response()
    }
}

/// Without an `Accept`, or with one that cannot be read, a client takes everything.
fn takes_json(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or("?"));
    let ranges = lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty());
    let Ok(ranges) = ranges.map(str::parse).collect::<Result<Vec<Mime>, FromStrError>>() else {
        return true;
    };
    let json = ["application/json", "application/*", "*/*"].map(|range| weight(&ranges, range));
    // The most exact range decides.
    let takes_json = json.into_iter().flatten().next().is_some_and(|weight| weight > 0.0);
    let takes_problems = weight(&ranges, "application/problem+json").is_some_and(|weight| weight > 0.0);
    ranges.is_empty() || takes_json || takes_problems
}

/// The weight of a range, if it is in the list. Parameters other than the weight do not matter,
/// because the answers have none.
fn weight(ranges: &[Mime], range: &str) -> Option<f32> {
    let found = ranges.iter().filter(|candidate| candidate.essence_str() == range);
    let weights = found.map(|range| range.get_param("q").map_or(Some(1.0), |weight| weight.as_str().parse().ok()));
    // A weight that cannot be read is ignored.
    weights.map(|weight| weight.unwrap_or(1.0)).reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &[&str]) -> bool {
        let pairs = accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap()));
        takes_json(&pairs.collect())
    }

    #[test]
    fn json_is_for_everyone_who_does_not_refuse_it() {
        for accept in [
            &[][..],
            &[""],
            &["application/json"],
            &["APPLICATION/JSON; charset=utf-8"],
            &["application/problem+json"],
            &["application/*"],
            &["*/*"],
            &["text/html, application/xhtml+xml, */*;q=0.8"],
            &["text/html", "application/json;q=0.001"],
            &["application/*;q=0, application/json"],
            &["application/json;q=much"],
            &["json"],
            &["text/html, ;;"],
            &["é"],
        ] {
            assert!(takes(accept), "{accept:?}");
        }
        for accept in [
            &["text/html"][..],
            &["application/xml, text/*"],
            &["application/json;q=0"],
            &["application/json; q=0.000, */*"],
            &["*/*;q=0"],
            &["application/*;q=0, */*"],
            &["text/html", "image/png"],
        ] {
            assert!(!takes(accept), "{accept:?}");
        }
    }
}
