//! All stacks of one environment, and what the rules ask them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::template::stack::text;

/// The stacks of one environment, with parameters, conditions and most functions resolved.
pub struct Estate {
    /// The environment of `samconfig.toml`.
    pub environment: String,
    /// Resources of the root template.
    pub root: Map<String, Value>,
    /// Resources of each nested stack that would be made, by the name of its file.
    pub nested: BTreeMap<String, Map<String, Value>>,
}

type Resources<'a> = Vec<(&'a str, &'a Value)>;

impl Estate {
    /// How many resources of a kind there are.
    pub fn count(&self, kind: &str) -> f64 {
        self.of(kind).iter().fold(0.0, |count, _| count + 1.0)
    }

    pub(crate) fn of(&self, kind: &str) -> Resources<'_> {
        self.all().filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    pub(crate) fn properties(&self, kind: &str) -> Resources<'_> {
        self.of(kind)
            .into_iter()
            .map(|(name, resource)| (name, &resource["Properties"]))
            .collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let nested = self.nested.values().flatten();
        self.root.iter().chain(nested).map(|(name, resource)| (name.as_str(), resource))
    }

    /// The function that a mapping, an alias or a version belongs to.
    pub(super) fn function(&self, reference: &Value) -> Option<(&str, &Value)> {
        let named = reference["Ref"].as_str().or_else(|| reference["Fn::GetAtt"][0].as_str())?;
        let (name, resource) = self.root.get_key_value(named)?;
        if resource["Type"] == "AWS::Lambda::Alias" {
            return self.function(&resource["Properties"]["FunctionName"]);
        }
        Some((name, &resource["Properties"]))
    }

    /// Whether this is the service of a phase, and neither the local cloud nor a template that is
    /// deployed by itself.
    pub(super) fn is_service(&self) -> bool {
        self.environment != "local" && !self.root.is_empty()
    }

    pub(super) fn is_large(&self) -> bool {
        self.is_service() && self.environment != "startup"
    }
}

/// A number, which may be written as text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn is_true(value: &Value) -> bool {
    text(value) == "true"
}

/// Whether a resource is made after another one.
pub(super) fn waits_for(resource: &Value, name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    mentions(&resource["DependsOn"], &quoted) || mentions(&resource["Properties"], &quoted)
}

/// Whether a value contains a text anywhere.
pub(super) fn mentions(value: &Value, what: &str) -> bool {
    value.to_string().contains(what)
}
