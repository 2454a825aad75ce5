//! The parameters of a template: what it declares, what is given, and what stands in for what is not.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{TemplateError, short};

#[derive(Deserialize)]
struct Declared {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    #[serde(default)]
    required: Option<bool>,
    #[serde(default)]
    default: Option<Value>,
    #[serde(default)]
    minimum: Option<f64>,
    #[serde(default)]
    maximum: Option<f64>,
    #[serde(default)]
    choices: Vec<Value>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Text,
    Number,
    Integer,
    Boolean,
}

/// All parameters with their values. Those that are not declared go through as they are, as in the original.
pub(super) fn resolve(
    declared: Option<&Value>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, TemplateError> {
    let Some(declared) = declared else { return Ok(given.clone()) };
    let unfit = |_| TemplateError::Template {
        field: "details.parameters",
        given: short(declared),
        expected: "a list of objects with `name` and `type`",
    };
    let all: Vec<Declared> = serde_json::from_value(declared.clone()).map_err(unfit)?;
    let mut values = given.clone();
    for parameter in all {
        match values.get(&parameter.name).or(parameter.default.as_ref()).cloned() {
            Some(value) => {
                let value = parameter.take(value)?;
                values.insert(parameter.name, value);
            }
            None if parameter.required.unwrap_or(true) => {
                let expected = parameter.expected();
                return Err(TemplateError::Parameter { name: parameter.name, given: "missing".to_owned(), expected });
            }
            None => {}
        }
    }
    Ok(values)
}

impl Declared {
    /// The value in the declared type: clients send numbers as texts, too.
    fn take(&self, value: Value) -> Result<Value, TemplateError> {
        let number =
            value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number: &f64| number.is_finite());
        let typed = match self.kind {
            Type::Text => value.is_string().then(|| value.clone()),
            Type::Boolean => value.is_boolean().then(|| value.clone()),
            Type::Number => number.filter(|number| self.bounds(*number)).map(Value::from),
            Type::Integer => {
                let whole = number.filter(|number| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0);
                whole.filter(|number| self.bounds(*number)).map(|number| Value::from(number as i64))
            }
        };
        let chosen =
            typed.filter(|typed| self.choices.is_empty() || self.choices.iter().any(|choice| same(choice, typed)));
        chosen.ok_or_else(|| TemplateError::Parameter {
            name: self.name.clone(),
            given: short(&value),
            expected: self.expected(),
        })
    }

    fn bounds(&self, number: f64) -> bool {
        self.minimum.is_none_or(|least| number >= least) && self.maximum.is_none_or(|most| number <= most)
    }

    fn expected(&self) -> String {
        let kind = match self.kind {
            Type::Text => "a text",
            Type::Number => "a number",
            Type::Integer => "a whole number",
            Type::Boolean => "true or false",
        };
        let least = self.minimum.map(|least| format!(" of at least {least}")).unwrap_or_default();
        let joint = if self.minimum.is_some() { "and" } else { "of" };
        let most = self.maximum.map(|most| format!(" {joint} at most {most}")).unwrap_or_default();
        let choices: Vec<String> = self.choices.iter().map(short).collect();
        let choices = if choices.is_empty() { String::new() } else { format!(" among {}", choices.join(", ")) };
        format!("{kind}{least}{most}{choices}")
    }
}

/// 5 and 5.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|number| b.as_f64() == Some(number))
}
