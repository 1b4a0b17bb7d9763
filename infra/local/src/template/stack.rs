//! A template as it would be deployed: parameters, conditions, mappings and most functions are
//! resolved to values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Values of a template's parameters by name.
pub type Parameters = BTreeMap<String, String>;

/// A template with parameter values.
pub struct Stack<'a> {
    name: &'a str,
    template: &'a Value,
    parameters: Parameters,
    region: &'a str,
}

impl<'a> Stack<'a> {
    /// A template with these values. A parameter that has no value here has its default.
    pub fn new(name: &'a str, template: &'a Value, given: &Parameters, region: &'a str) -> Self {
        let defaults = entries(&template["Parameters"]).filter_map(|(name, parameter)| {
            let value = parameter.get("Default")?;
            Some((name.clone(), text(value)))
        });
        let mut parameters: Parameters = defaults.collect();
        parameters.extend(given.clone());
        Self {
            name,
            template,
            parameters,
            region,
        }
    }

    /// Everything that CloudFormation would refuse: parameters that have no value, no definition,
    /// or a value that is not allowed, and rules of the template that do not hold.
    pub fn refusals(&self) -> Vec<String> {
        let defined = &self.template["Parameters"];
        let mut refusals = Vec::new();
        for (name, definition) in entries(defined) {
            let Some(value) = self.parameters.get(name) else {
                refusals.push(format!("{name} has no value"));
                continue;
            };
            let allowed = definition["AllowedValues"].as_array();
            if allowed.is_some_and(|allowed| !allowed.iter().any(|one| text(one) == *value)) {
                refusals.push(format!("{name} may not be {value}"));
            }
            let number = value.parse::<f64>().unwrap_or(f64::NAN);
            let below = definition["MinValue"].as_f64().is_some_and(|least| number < least);
            let above = definition["MaxValue"].as_f64().is_some_and(|most| number > most);
            if below || above || (definition["Type"] == "Number" && number.is_nan()) {
                refusals.push(format!("{name} is out of bounds: {value}"));
            }
        }
        refusals.extend(
            self.parameters
                .keys()
                .filter(|name| defined.get(*name).is_none())
                .map(|name| format!("there is no parameter {name}")),
        );
        for (_, rule) in entries(&self.template["Rules"]) {
            if rule.get("RuleCondition").is_some_and(|condition| !self.holds(condition)) {
                continue;
            }
            let broken = rule["Assertions"].as_array().into_iter().flatten();
            refusals.extend(
                broken
                    .filter(|assertion| !self.holds(&assertion["Assert"]))
                    .map(|assertion| text(&assertion["AssertDescription"])),
            );
        }
        refusals
    }

    /// The resources that would be made, by name. A value that only AWS knows stays a reference.
    pub fn resources(&self) -> Map<String, Value> {
        entries(&self.template["Resources"])
            .filter(|(_, resource)| resource["Condition"].as_str().is_none_or(|name| self.condition(name)))
            .filter_map(|(name, resource)| Some((name.clone(), self.resolve(resource)?)))
            .collect()
    }

    /// The outputs that the stack would have, by name.
    pub fn outputs(&self) -> Map<String, Value> {
        entries(&self.template["Outputs"])
            .filter(|(_, output)| output["Condition"].as_str().is_none_or(|name| self.condition(name)))
            .filter_map(|(name, output)| Some((name.clone(), self.resolve(&output["Value"])?)))
            .collect()
    }

    fn condition(&self, name: &str) -> bool {
        self.holds(&self.template["Conditions"][name])
    }

    fn holds(&self, condition: &Value) -> bool {
        let Some((function, argument)) = single(condition) else {
            return false;
        };
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match function {
            "Condition" => argument.as_str().is_some_and(|name| self.condition(name)),
            "Fn::Equals" => match items {
                [left, right] => self.resolve(left).map(|left| text(&left)) == self.resolve(right).map(|right| text(&right)),
                _ => false,
            },
            "Fn::Not" => !items.iter().any(|item| self.holds(item)),
            "Fn::And" => items.iter().all(|item| self.holds(item)),
            "Fn::Or" => items.iter().any(|item| self.holds(item)),
            _ => false,
        }
    }

    /// `None` for `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        if let Some((function, argument)) = single(value) {
            match self.call(function, argument) {
                Call::Is(value) => return Some(value),
                Call::NoValue => return None,
                Call::Unknown => {}
            }
        }
        Some(match value {
            Value::Array(items) => items.iter().filter_map(|item| self.resolve(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .filter_map(|(name, field)| Some((name.clone(), self.resolve(field)?)))
                .collect(),
            other => other.clone(),
        })
    }

    fn call(&self, function: &str, argument: &Value) -> Call {
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let result = match (function, items) {
            ("Ref", _) if argument == "AWS::NoValue" => return Call::NoValue,
            ("Fn::If", [condition, yes, no]) => {
                let holds = condition.as_str().is_some_and(|name| self.condition(name));
                return self.resolve(if holds { yes } else { no }).map_or(Call::NoValue, Call::Is);
            }
            ("Ref", _) => self.named(argument),
            ("Fn::FindInMap", [map, first, second]) => self.mapped(map, first, second),
            ("Fn::Join", [glue, parts]) => self.joined(glue, parts),
            ("Fn::Select", [number, list]) => self.selected(number, list),
            ("Fn::Sub", _) => argument.as_str().map(|pattern| self.filled(pattern)),
            _ => None,
        };
        result.map_or(Call::Unknown, Call::Is)
    }

    fn named(&self, name: &Value) -> Option<Value> {
        match name.as_str()? {
            "AWS::Region" => Some(self.region.into()),
            "AWS::StackName" => Some(self.name.into()),
            name => Some(self.parameters.get(name)?.clone().into()),
        }
    }

    fn mapped(&self, map: &Value, first: &Value, second: &Value) -> Option<Value> {
        let key = |value: &Value| self.resolve(value).map(|value| text(&value));
        self.template["Mappings"]
            .get(key(map)?)?
            .get(key(first)?)?
            .get(key(second)?)
            .cloned()
    }

    fn joined(&self, glue: &Value, parts: &Value) -> Option<Value> {
        let parts = self.resolve(parts)?;
        let Some(parts) = parts.as_array() else {
            // The parts of a list that is a parameter are already joined by commas.
            return Some(parts.as_str()?.replace(',', glue.as_str()?).into());
        };
        let parts: Option<Vec<_>> = parts.iter().map(written).collect();
        Some(as_pattern(parts?.join(glue.as_str()?)))
    }

    /// One part of a list that is written with commas. Of any other list, the choice stays open.
    fn selected(&self, number: &Value, list: &Value) -> Option<Value> {
        let number: usize = text(number).parse().ok()?;
        let list = self.resolve(list).as_ref().and_then(written)?;
        list.split(',').nth(number).map(|part| as_pattern(part.to_owned()))
    }

    fn filled(&self, pattern: &str) -> Value {
        let known = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pseudo = [("AWS::Region", self.region), ("AWS::StackName", self.name)];
        let filled = known.chain(pseudo).fold(pattern.to_owned(), |filled, (name, value)| {
            filled.replace(&format!("${{{name}}}"), value)
        });
        as_pattern(filled)
    }
}

/// A text, in which names may stand for what only AWS knows.
fn as_pattern(text: String) -> Value {
    if text.contains("${") {
        json!({"Fn::Sub": text})
    } else {
        text.into()
    }
}

/// A value as [`as_pattern`] reads it, if it is a single one.
fn written(value: &Value) -> Option<String> {
    match single(value) {
        Some(("Ref" | "Fn::GetAtt" | "Fn::Sub", _)) => Some(placeholder(value)),
        _ => value.as_str().map(str::to_owned),
    }
}

/// The result of a template function.
enum Call {
    Is(Value),
    NoValue,
    /// Only AWS knows the value.
    Unknown,
}

/// The only entry of an object.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// The entries of an object. Any other value has none.
pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A single value as CloudFormation writes it.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value that is known only after a resource has been made, as `Fn::Sub` would write it. Any
/// other value is text.
pub(super) fn placeholder(value: &Value) -> String {
    match single(value) {
        Some(("Ref", name)) => format!("${{{}}}", text(name)),
        Some(("Fn::GetAtt", path)) => {
            let path: Vec<String> = path.as_array().into_iter().flatten().map(text).collect();
            format!("${{{}}}", path.join("."))
        }
        Some(("Fn::Sub", pattern)) => text(pattern),
        _ => text(value),
    }
}
