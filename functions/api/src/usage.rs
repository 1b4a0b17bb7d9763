//! `GET /v1/usage`: how much a tenant has used the service.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use serde::{Deserialize, Serialize};
use shared::{
    job::{Counts, KeyId, Scope, Span},
    problem::Problem,
    store::Chain,
};
use time::{Date, Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use utoipa::ToSchema;

use crate::{
    auth::Caller,
    context::Context,
    object::{invalid, query},
};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// The most days of one answer.
const MOST: i64 = 92;
/// The days of an answer if the client names none.
const USUAL: i64 = 31;

/// The query as it is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    from: Option<String>,
    to: Option<String>,
}

/// The usage of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantUsage {
    /// The first day, in UTC.
    #[schema(value_type = String, format = Date)]
    from: String,
    /// The last day, in UTC.
    #[schema(value_type = String, format = Date)]
    to: String,
    /// One row for each day and key with any usage, ordered by day.
    items: Vec<Row>,
}

/// The usage of a key on a day.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRow)]
pub(crate) struct Row {
    /// The day in UTC.
    #[schema(format = Date)]
    day: String,
    /// The name of the key. Absent for jobs that an earlier version of the service has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("key_0123456789abcdef0123"))]
    key: Option<KeyId>,
    #[serde(flatten)]
    counts: Counts,
}

/// Read the usage
///
/// Counts the jobs of the tenant by day and key. A job is counted as accepted on the day of its
/// submission, and once more on the day on which it finishes. Submissions that made no job (`refused`
/// and `cached`) are counted in the cache of their region first, and in the database every hour. If a
/// cache is lost, those of the last hour are lost too; jobs are not. A job that finishes at this moment
/// may be counted twice in one answer, and no longer in the next one. Of the jobs that have not finished,
/// the newest 20,000 or so are counted.
#[utoipa::path(
    get,
    path = "/v1/usage",
    operation_id = "readUsage",
    params(
        ("from" = Option<String>, Query, description = "The first day (UTC), such as `2026-11-01`. Absent: 30 days before `to`.", example = "2026-11-01"),
        ("to" = Option<String>, Query, description = "The last day (UTC). Absent, or in the future: today. At most 92 days are read at once.", example = "2026-11-30"),
    ),
    responses(
        (status = 200, description = "The usage by day and key.", body = TenantUsage),
        (status = 422, description = "A parameter is invalid. `errors` names it, with what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key does not have the scope `usage:read`, or its tenant is suspended.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A store does not answer. Try again after `Retry-After` seconds.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(State(context): State<Arc<Context>>, caller: Caller, uri: Uri) -> Result<Json<TenantUsage>, Problem> {
    caller.may(Scope::UsageRead)?;
    let holder = caller.0;
    let today = OffsetDateTime::now_utc().date();
    let (from, to) = days(&uri, today)?;
    let tenant = &holder.tenant.id;
    let span = Span::ALL
        .since(from.midnight().assume_utc())
        .until((to + Duration::DAY).midnight().assume_utc());
    // Older tallies are in the archive.
    let latest: Vec<Date> = (0..2)
        .map(|ago| today - Duration::days(ago))
        .filter(|day| (from..=to).contains(day))
        .collect();
    let archived = async {
        let newest = context.completion.newest_write(tenant).await?;
        context.archive.usage(tenant, from, to, newest).await
    };
    let (archived, unfinished, tallies) = tokio::join!(
        archived,
        context.ledger.unfinished_usage(tenant, span),
        context.cache.tallies(tenant, &context.region, &latest),
    );
    let (mut usage, noted) = archived?;
    for (day, key, counts) in unfinished?.rows() {
        *usage.of(day, key.cloned()) += *counts;
    }
    let counted = tallies.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "The cache did not answer. The usage lacks submissions of the last hour that made no job.");
        Vec::new()
    });
    usage.add_tallies(&noted, &counted);
    let row = |(day, key, counts): (Date, Option<&KeyId>, &Counts)| Row {
        day: text(day),
        key: key.cloned(),
        counts: *counts,
    };
    Ok(Json(TenantUsage {
        from: text(from),
        to: text(to),
        items: usage.rows().map(row).collect(),
    }))
}

fn days(uri: &Uri, today: Date) -> Result<(Date, Date), Problem> {
    let Parameters { from, to } = query(uri)?;
    let day = |name: &str, value: Option<String>| {
        let parsed = value.map(|value| Date::parse(&value, DAY)).transpose();
        parsed.map_err(|_| invalid(&format!("?{name}"), format!("`{name}` must be a day such as `2026-11-30`.")))
    };
    let to = day("to", to)?.unwrap_or(today).min(today);
    let from = day("from", from)?.unwrap_or_else(|| to.saturating_sub(Duration::days(USUAL - 1)));
    let from = from.max(OffsetDateTime::UNIX_EPOCH.date());
    let count = (to - from).whole_days() + 1;
    if count > MOST {
        return Err(invalid(
            "?from",
            format!("The period has {count} days. At most {MOST} are allowed."),
        ));
    }
    Ok((from, to))
}

fn text(day: Date) -> String {
    // This cannot fail, because the format has only parts of a date.
    day.format(DAY).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn days_are_bounded_and_have_defaults() {
        let days = |query: &str| {
            days(&format!("/v1/usage?{query}").parse().unwrap(), date!(2026 - 11 - 26)).map_err(|problem| problem.errors[0].detail.clone())
        };
        assert_eq!(days(""), Ok((date!(2026 - 10 - 27), date!(2026 - 11 - 26))));
        assert_eq!(
            days("from=2026-11-01&to=2026-11-02"),
            Ok((date!(2026 - 11 - 01), date!(2026 - 11 - 02)))
        );
        // A period in the future, or one that ends before it begins, has no days.
        assert_eq!(
            days("from=2027-02-01&to=2027-02-02"),
            Ok((date!(2027 - 02 - 01), date!(2026 - 11 - 26)))
        );
        assert_eq!(days("to=9999-12-31"), days(""));
        for (query, says) in [
            ("from=yesterday", "`from` must be a day"),
            ("from=2020-01-01", "At most 92"),
            ("day=1", "send `from` or `to`"),
        ] {
            assert!(days(query).unwrap_err().contains(says), "{query}");
        }
    }
}
