//! The query parameter `fields`: the fields of a job that an answer has.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use shared::{job::SummaryResource, problem::Problem};

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{AdditionalProperties, AnyOfBuilder},
    },
};

use crate::object::invalid;

/// The fields that a job can have.
const ALL: [&str; 15] = [
    "id", "status", "lane", "region", "created_at", "started_at", "finished_at", "expires_at", "deferred", "estimated_wait_seconds",
    "request", "result", "error", "attempts", "links",
];

/// A job, or the fields of it that were chosen.
pub(crate) struct Shown;

impl PartialSchema for Shown {
    fn schema() -> RefOr<Schema> {
        let whole = Ref::from_schema_name(SummaryResource::name());
        let part = match SummaryResource::schema() {
            RefOr::T(Schema::Object(mut fields)) => {
                fields.required.clear();
                fields.description = Some("The fields of a job that `fields` names.".to_owned());
                fields.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                RefOr::T(Schema::Object(fields))
            }
            other => other,
        };
        AnyOfBuilder::new().item(whole).item(part).into()
    }
}

impl ToSchema for Shown {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ShownSummary")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SummaryResource::name().into_owned(), SummaryResource::schema()));
        SummaryResource::schemas(schemas);
    }
}

/// The query of a request for one job.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    fields: Option<String>,
}

/// The fields that were chosen. `None` stands for all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen(Option<Vec<String>>);

impl Fields {
    /// The fields that were chosen.
    pub(crate) fn chosen(&self) -> Result<Chosen, Problem> {
        let Some(list) = &self.fields else { return Ok(Chosen(None)) };
        let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().all(|name| ALL.contains(&name.as_str())) {
            return Ok(Chosen(Some(names)));
        }
        let known = ALL.join("`, `");
        Err(invalid(
            "?fields",
            format!("The query parameter `fields` must be a list of fields of a job, separated by commas. The fields are `{known}`."),
        ))
    }
}

impl Chosen {
    /// The chosen fields of a job.
    pub(crate) fn of(&self, resource: &SummaryResource) -> Value {
        // This cannot fail, because every field becomes JSON.
        let mut json = serde_json::to_value(resource).unwrap_or_default();
        if let (Self(Some(names)), Value::Object(fields)) = (self, &mut json) {
            fields.retain(|name, _| names.contains(name));
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_of_a_job_can_be_chosen() {
        let chosen = |fields: &str| {
            Fields {
                fields: Some(fields.to_owned()),
            }
            .chosen()
        };
        assert_eq!(chosen("status, id").unwrap(), Chosen(Some(vec!["status".into(), "id".into()])));
        assert_eq!(Fields::default().chosen().unwrap(), Chosen(None));
        for wrong in ["", "text", "status,", "status,,id"] {
            assert!(chosen(wrong).unwrap_err().errors[0].detail.contains("`status`"), "{wrong}");
        }
    }
}
