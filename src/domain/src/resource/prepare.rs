//! From what a client sends to what is stored: dropping what is the server's, merging, filling, checking.

use serde_json::{Map, Value};

use super::kind::Field;
use super::spec::{COMMON, Naming, SERVER_OWNED, TypeSpec};
use super::validate::{Check, SchemaError, cut};
use super::values::same;
use crate::acl::{ADMIN_ALL, Acl, MAX_RULES};
use crate::entropy::Entropy;
use crate::id::ResourceId;
use crate::time::Timestamp;

/// A checked resource, before the server adds its own attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// All attributes but `id`, `resourceURI`, `created`, `updated`, `acl` and `operations`.
    pub attributes: Map<String, Value>,
    /// The access control list: the one that the body brought, or the type's own for a new resource.
    pub acl: Option<Acl>,
    /// The part of the new id after the slash; none leaves it to chance, and after an edit.
    pub name: Option<String>,
}

impl TypeSpec {
    /// Makes a new resource of a client's body.
    ///
    /// What is the server's is dropped, older names are mapped and defaults filled in. `now` and `entropy` are used only
    /// where a default asks for them.
    ///
    /// # Errors
    /// [`SchemaError`] with all that is wrong with the body.
    pub fn prepare_add(
        &self,
        mut body: Map<String, Value>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Draft, SchemaError> {
        (self.rework)(&mut body);
        strip(&mut body);
        let mut check = Check::new(self.name, self.numbers_as_text, Some((now, entropy)));
        let acl = take_acl(&mut body, &mut check).or_else(|| self.default_rules.map(Acl::of_admin));
        check.object(&[self.fields, COMMON], &mut body);
        let name = match self.naming {
            Naming::Random => None,
            Naming::Derived { from, name } => name(&body).inspect(|name| {
                if let Err(error) = ResourceId::new(self.name, name) {
                    check.fault(|_| format!("`{}`: no id can be made of it: {error}", from.join("`, `")));
                }
            }),
        };
        check.finish()?;
        Ok(Draft { attributes: body, acl, name })
    }

    /// Merges changes into a stored document, one level deep.
    ///
    /// `current` loses the attributes named in `removed`, then takes over those of `changes`; the result is checked as a
    /// whole. What is the server's, `acl` included, cannot be removed and such names are passed over in silence, as are
    /// the server's attributes in `changes`: clients send back whole documents. So are, unless `by_admin`, the attributes
    /// that only administrators change.
    ///
    /// # Errors
    /// [`SchemaError`] with all that is wrong with the merged document.
    pub fn prepare_edit(
        &self,
        mut current: Map<String, Value>,
        mut changes: Map<String, Value>,
        removed: &[String],
        by_admin: bool,
    ) -> Result<Draft, SchemaError> {
        strip(&mut current);
        current.remove("acl");
        strip(&mut changes);
        let mut check = Check::new(self.name, self.numbers_as_text, None);
        let acl = take_acl(&mut changes, &mut check);
        let fixed = self.fixed(&current);
        let guarded = |name: &str| !by_admin && self.fields.iter().any(|field| field.for_admins && field.name == name);
        changes.retain(|name, _| !guarded(name));
        for name in removed.iter().filter(|name| !guarded(name)) {
            current.remove(name);
        }
        for field in self.fields {
            merge_names(field, &mut current, &mut changes, removed);
        }
        current.extend(changes);
        for (name, value) in fixed {
            if current.get(name) != value.as_ref() {
                check.fault(|_| format!("`{name}`: it cannot be changed, because the id is made of it; add anew"));
            }
        }
        check.object(&[self.fields, COMMON], &mut current);
        check.finish()?;
        Ok(Draft { attributes: current, acl, name: None })
    }

    /// The attributes that the id is made of, as they stand.
    fn fixed(&self, current: &Map<String, Value>) -> Vec<(&'static str, Option<Value>)> {
        match self.naming {
            Naming::Random => Vec::new(),
            Naming::Derived { from, .. } => from.iter().map(|name| (*name, current.get(*name).cloned())).collect(),
        }
    }
}

fn strip(body: &mut Map<String, Value>) {
    for name in SERVER_OWNED {
        body.remove(name);
    }
}

fn take_acl(body: &mut Map<String, Value>, check: &mut Check<'_>) -> Option<Acl> {
    let sent = body.remove("acl")?;
    if let Some((path, expected)) = misshapen(&sent) {
        check.fault(|_| format!("`{path}`: it is not an object, expected one such as {expected}"));
        return None;
    }
    let acl = match serde_json::from_value::<Acl>(sent) {
        Ok(acl) => acl,
        Err(error) => {
            check.fault(|_| format!("`acl`: {}", cut_error(&error)));
            return None;
        }
    };
    let rules = acl.rules();
    // The administrators' rule comes on top, and clients send back what they were given.
    let own = rules.iter().filter(|rule| **rule != ADMIN_ALL).count();
    if own > MAX_RULES || rules.len() > MAX_RULES + 1 {
        check.fault(|_| format!("`acl.rules`: {} rules are too many, at most {MAX_RULES}", rules.len()));
    }
    if acl.owner.principal.trim().is_empty() {
        check.fault(|_| "`acl.owner.principal`: it is blank, expected the name of a user or a role".to_owned());
    }
    if let Some(at) = rules.iter().position(|rule| rule.principal.trim().is_empty()) {
        check.fault(|_| format!("`acl.rules[{at}].principal`: it is blank, expected the name of a user or a role"));
    }
    Some(acl)
}

/// The part of an access list that should be an object and is none, with an example. The reader alone would take a JSON
/// list for an object, by position.
fn misshapen(acl: &Value) -> Option<(&'static str, &'static str)> {
    let rules = acl.get("rules").and_then(Value::as_array);
    if !acl.is_object() {
        Some(("acl", r#"{"owner": {"principal": "jane", "type": "USER"}, "rules": []}"#))
    } else if acl.get("owner").is_some_and(|owner| !owner.is_object()) {
        Some(("acl.owner", r#"{"principal": "jane", "type": "USER"}"#))
    } else if rules.is_some_and(|rules| rules.iter().any(|rule| !rule.is_object())) {
        Some(("acl.rules", r#"{"principal": "USER", "type": "ROLE", "right": "VIEW"}"#))
    } else {
        None
    }
}

/// The reader's message repeats the client's words and the known ones; both ends of it matter, the middle may go.
fn cut_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(", expected ") {
        Some((wrong, expected)) => format!("{}, expected {expected}", cut(wrong)),
        None => cut(&text),
    }
}

/// Settles which value counts where an attribute has an older name, and leaves it under the present name alone.
///
/// A client that sends back a whole document has changed one name and not the other: the one that differs from what is
/// stored is the one it meant. Where both differ, both are left for the check to refuse.
fn merge_names(field: &Field, current: &mut Map<String, Value>, changes: &mut Map<String, Value>, removed: &[String]) {
    let Some(alias) = field.alias else { return };
    if removed.iter().any(|name| name == field.name || name == alias.name) {
        current.remove(field.name);
    }
    current.remove(alias.name);
    let Some(older) = changes.remove(alias.name) else { return };
    let stored = current.get(field.name);
    match changes.get(field.name) {
        Some(present) if same(present, &older) => {}
        Some(_) if stored.is_some_and(|stored| same(stored, &older)) => {}
        Some(present) if !stored.is_some_and(|stored| same(stored, present)) => {
            changes.insert(alias.name.to_owned(), older);
        }
        _ => {
            changes.insert(field.name.to_owned(), older);
        }
    }
}
