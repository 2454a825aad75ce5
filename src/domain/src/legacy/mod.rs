//! What the agent authentication of the original says on its sockets, and how it computes identifiers. Pure.

pub mod certauths;
pub mod identity;
pub mod request;
pub mod trigger;

/// Splits `key<separator>value,key<separator>value`; a key ends at the first separator. `None` where a part has none.
fn pairs(text: &str, separator: char) -> Option<Vec<(&str, &str)>> {
    text.split(',').map(|part| part.split_once(separator).map(|(key, value)| (key.trim(), value.trim()))).collect()
}
