//! Reads what asks for a new member by way of a template: `{"sessionTemplate": {"href": ..., ...}, "name": ...}`.

use serde_json::{Map, Value};

use super::kind::{Field, Kind, href, map, text};
use super::spec::{Form, SERVER_OWNED, TypeSpec};
use super::validate::{Check, SchemaError};

/// A filled-in template.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The template's id.
    pub href: String,
    /// What was filled in, without `href`.
    pub filled: Map<String, Value>,
    /// `name`, `description` and `properties` from beside the template, for the new member.
    pub about: Map<String, Value>,
}

/// What may stand beside the template.
const ABOUT: &[Field] = &[
    text("name").optional("a short name for people"),
    text("description").optional("what the resource is, for people"),
    map("properties", &Kind::Text).optional("the client's own keys and values"),
];
const HREF: &[Field] = &[href("href").required("the template's id")];

impl TypeSpec {
    /// Checks a body against `form`; what is the server's is dropped.
    ///
    /// # Errors
    /// [`SchemaError`] with all that is wrong with the body.
    pub fn read_form(&self, form: &Form, mut body: Map<String, Value>) -> Result<Asked, SchemaError> {
        let mut check = Check::new(self.name, false, None);
        for name in SERVER_OWNED {
            body.remove(name);
        }
        let mut filled = Map::new();
        match body.remove(form.wrapper) {
            Some(Value::Object(members)) => {
                filled = members;
                check.at(form.wrapper, |at| at.object(&[HREF, form.fields], &mut filled));
            }
            Some(_) => check.fault(|_| format!("`{}`: it is not an object, expected {}", form.wrapper, example(form))),
            None => check.fault(|_| format!("`{}` is missing: expected {}", form.wrapper, example(form))),
        }
        check.object(&[ABOUT], &mut body);
        check.finish()?;
        let href = filled.remove("href").and_then(|href| href.as_str().map(str::to_owned)).unwrap_or_default();
        Ok(Asked { href, filled, about: body })
    }
}

fn example(form: &Form) -> String {
    format!("{{\"{}\": {{\"href\": \"{}/...\", ...}}}}", form.wrapper, form.template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::find;

    fn read(body: Value) -> Result<Asked, SchemaError> {
        let spec = find("session").unwrap();
        spec.read_form(spec.form.unwrap(), body.as_object().unwrap().clone())
    }

    #[test]
    fn a_filled_in_template_is_told_from_what_stands_beside_it() {
        let asked = read(json!({"sessionTemplate": {"href": "session-template/internal", "username": "jane"},
            "name": "laptop", "id": "session/mine", "operations": []}))
        .unwrap();
        assert_eq!(asked.href, "session-template/internal");
        assert_eq!(Value::Object(asked.filled), json!({"username": "jane"}));
        assert_eq!(Value::Object(asked.about), json!({"name": "laptop"}));
    }

    #[test]
    fn what_is_no_form_is_refused_with_its_faults() {
        for (body, fault) in [
            (json!({}), "`sessionTemplate` is missing"),
            (json!({"sessionTemplate": 1}), "it is not an object"),
            (json!({"sessionTemplate": {"username": "jane"}}), "`sessionTemplate.href` is missing"),
            (json!({"sessionTemplate": {"href": ["a"]}}), "`sessionTemplate.href`"),
            (json!({"sessionTemplate": {"href": "session-template/x", "pin": "1"}}), "`sessionTemplate.pin` is not"),
            (json!({"sessionTemplate": {"href": "session-template/x", "username": 1}}), "is not a text"),
            (json!({"sessionTemplate": {"href": "session-template/x"}, "method": "internal"}), "`method` is not"),
        ] {
            let error = read(body).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }
}
