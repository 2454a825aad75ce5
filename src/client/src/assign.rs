//! Attributes from the command line and from files: `key=value`, `key:=JSON`, JSON and YAML.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use mf2c_domain::nearest::nearest;
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::resource::kind::{Field, Kind, List};
use serde_json::{Map, Number, Value, json};

use crate::ClientError;
use crate::output::clean;

/// The largest file that is read as a document; an agent accepts 1 MiB.
const LARGEST: u64 = 4 << 20;

/// One assignment: where in the document, and what.
#[derive(Debug, PartialEq)]
pub(crate) struct Assignment {
    /// The attribute, and the members inside it.
    pub(crate) path: Vec<String>,
    /// Its value.
    pub(crate) value: Value,
}

/// Reads `key=value` and `key:=JSON` for a type.
pub(crate) fn assignments(texts: &[String], spec: &TypeSpec) -> Result<Vec<Assignment>, ClientError> {
    texts.iter().map(|text| assignment(text, spec)).collect()
}

fn assignment(text: &str, spec: &TypeSpec) -> Result<Assignment, ClientError> {
    let usage = |message: String| Err(ClientError::Usage(message));
    let Some((key, value)) = text.split_once('=') else {
        return usage(format!("`{}` is no assignment, expected key=value or key:=JSON", clean(text)));
    };
    let (key, exact) = key.strip_suffix(':').map_or((key, false), |key| (key, true));
    let path: Vec<String> = key.split('/').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return usage(format!("`{}` names no attribute, expected key=value or key:=JSON", clean(text)));
    }
    let kind = find(&path, spec)?;
    let value = if exact {
        match serde_json::from_str(value) {
            Ok(value) => value,
            Err(error) => return usage(format!("the value of {} is no JSON: {error}", clean(key))),
        }
    } else {
        match typed(value, kind) {
            Some(value) => value,
            None => {
                let expected = kind.map(Kind::expected).unwrap_or_default();
                return usage(format!("`{}` cannot be the value of {}, expected {expected}", clean(value), clean(key)));
            }
        }
    };
    Ok(Assignment { path, value })
}

/// What the type expects at a path; none where anything goes. An attribute that the type does not have is refused here, with
/// the one that was probably meant.
fn find(path: &[String], spec: &TypeSpec) -> Result<Option<Kind>, ClientError> {
    let mut fields: Vec<&Field> = spec.attributes().collect();
    let mut kind = None;
    for (depth, step) in path.iter().enumerate() {
        if depth == 0 && step == "acl" {
            return Ok(None);
        }
        if let Some(form) = spec.form.filter(|form| depth == 0 && form.wrapper == step) {
            // What a template takes beside these is the template's business.
            let field = form.fields.iter().find(|field| path.get(1).is_some_and(|name| field.name == name));
            return Ok(field.filter(|_| path.len() == 2).map(|field| field.kind));
        }
        let field = fields.iter().find(|it| it.name == step || it.alias.is_some_and(|alias| alias.name == step));
        let Some(field) = field else {
            let near = nearest(step, fields.iter().map(|field| field.name));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let place = if depth == 0 { spec.name.to_owned() } else { path[..depth].join("/") };
            return Err(ClientError::Usage(format!("`{}` is not an attribute of {place}{hint}", clean(step))));
        };
        kind = Some(field.kind);
        match field.kind {
            Kind::Object(members) => fields = members.iter().collect(),
            Kind::Map(of) if path.len() > depth + 1 => return Ok(Some(*of)),
            _ if path.len() > depth + 1 => return Ok(None),
            _ => {}
        }
    }
    Ok(kind)
}

/// A text as the kind of value that is expected.
fn typed(text: &str, kind: Option<Kind>) -> Option<Value> {
    match kind {
        Some(Kind::Bool) => match text {
            "true" | "yes" => Some(true.into()),
            "false" | "no" => Some(false.into()),
            _ => None,
        },
        Some(Kind::Float) => number(text),
        Some(Kind::Nat | Kind::Pos | Kind::Port) => text.parse::<u64>().ok().map(Value::from),
        Some(Kind::Link | Kind::LooseLink | Kind::WideLink) => Some(json!({"href": text})),
        Some(Kind::List(List { of, .. })) if text.starts_with('[') => serde_json::from_str(text).ok().or_else(|| {
            // No JSON: a list with one text that begins with a bracket.
            Some(Value::Array(vec![typed(text, Some(*of))?]))
        }),
        Some(Kind::List(_)) if text.is_empty() => Some(json!([])),
        Some(Kind::List(List { of, .. })) => {
            text.split(',').map(|item| typed(item, Some(*of))).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Some(Kind::Object(_) | Kind::Map(_)) => serde_json::from_str(text).ok().filter(Value::is_object),
        _ => Some(text.into()),
    }
}

fn number(text: &str) -> Option<Value> {
    let whole = text.parse::<i64>().ok().map(Value::from);
    whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number))
}

/// Puts an assignment into a document, making the objects on its way.
pub(crate) fn apply(document: &mut Map<String, Value>, assignment: Assignment) -> Result<(), ClientError> {
    let shown = assignment.path.join("/");
    let mut path = assignment.path.into_iter();
    let Some(mut key) = path.next() else { return Ok(()) };
    let mut place = document;
    for next in path {
        let inner = place.entry(key).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else {
            return Err(ClientError::Usage(format!("{} leads through something that is no object", clean(&shown))));
        };
        (place, key) = (inner, next);
    }
    place.insert(key, assignment.value);
    Ok(())
}

/// Reads a document from a file, or from standard input for `-`.
pub(crate) fn from_file(path: &Path) -> Result<Map<String, Value>, ClientError> {
    let failed = |source| ClientError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    }
    let shown = if path == Path::new("-") { "standard input".to_owned() } else { format!("`{}`", path.display()) };
    if bytes.len() as u64 > LARGEST {
        return Err(ClientError::Usage(format!("{shown} is larger than 4 MiB: this is no document")));
    }
    let text = String::from_utf8(bytes).map_err(|_| ClientError::Usage(format!("{shown} is no UTF-8")))?;
    document(&text).map_err(|reason| ClientError::Usage(format!("{shown} holds no document: {reason}")))
}

/// Reads a document in JSON or YAML; the error is a reason for people.
pub(crate) fn document(text: &str) -> Result<Map<String, Value>, String> {
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("malformed JSON: {error}"))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| format!("malformed YAML: {}", first_line(&error.to_string())))?
    };
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Err("it is empty".to_owned()),
        _ => Err("expected an object with attributes, `name: value`".to_owned()),
    }
}

fn first_line(text: &str) -> String {
    clean(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use mf2c_domain::resource;

    use super::*;

    fn read(kind: &str, text: &str) -> Result<Value, String> {
        let spec = resource::find(kind).unwrap();
        let mut document = Map::new();
        let assignment = assignment(text, spec).map_err(|error| error.to_string())?;
        apply(&mut document, assignment).map_err(|error| error.to_string())?;
        Ok(Value::Object(document))
    }

    #[test]
    fn text_becomes_what_the_attribute_expects() {
        for (kind, text, expected) in [
            ("service", "name=42", json!({"name": "42"})),
            ("service", "memory_min=512", json!({"memory_min": 512})),
            ("service", "cpu_recommended=0.5", json!({"cpu_recommended": 0.5})),
            ("service", "exec_ports=80,443", json!({"exec_ports": [80, 443]})),
            ("service", "description=a=b", json!({"description": "a=b"})),
            ("service", "description:={\"a\":1}", json!({"description": {"a": 1}})),
            ("service", "properties/rack=7", json!({"properties": {"rack": "7"}})),
            ("device", "isLeader=true", json!({"isLeader": true})),
            ("device-dynamic", "device=device/1", json!({"device": {"href": "device/1"}})),
            ("agreement", "details/client/name=x", json!({"details": {"client": {"name": "x"}}})),
            ("service", "acl/owner/principal=jane", json!({"acl": {"owner": {"principal": "jane"}}})),
        ] {
            assert_eq!(read(kind, text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_was_expected() {
        for (kind, text, told) in [
            ("service", "name", "is no assignment"),
            ("service", "=x", "names no attribute"),
            ("service", "memory_min=much", "expected a whole number"),
            ("service", "nmae=x", "did you mean `name`?"),
            ("service", "name:=nope", "is no JSON"),
            ("device", "isLeader=maybe", "expected true or false"),
            ("agreement", "details/clinet/name=x", "not an attribute of details; did you mean `client`?"),
        ] {
            let said = read(kind, text).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
        }
    }

    #[test]
    fn a_document_is_read_from_json_and_yaml_and_nothing_else_is_one() {
        let expected = json!({"a": [1, 2], "b": "x"});
        assert_eq!(document("{\"a\": [1, 2], \"b\": \"x\"}").map(Value::Object), Ok(expected.clone()));
        assert_eq!(document("# note\na: [1, 2]\nb: x\n").map(Value::Object), Ok(expected));
        for bad in ["", "[1]", "{\"a\": }", "a: [1", "plain"] {
            assert!(document(bad).is_err(), "{bad}");
        }
        // An alias that names itself ten times over must not fill the memory.
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &('b'..='p')
                .map(|c| {
                    let before = char::from(u8::try_from(u32::from(c)).unwrap() - 1);
                    format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 9].join(","))
                })
                .collect::<String>();
        assert!(document(&bomb).is_err());
    }
}
