//! Reads JSON as `serde_json` does, except that an object which names a key twice is refused: which of the two values was
//! meant cannot be known, and readers differ in which they take.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A JSON value without keys that are given twice.
#[derive(Debug)]
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            match map.entry(key) {
                Entry::Vacant(place) => {
                    let Strict(value) = members.next_value()?;
                    place.insert(value);
                }
                // The reader's place is behind the key, so that this is where the message points.
                Entry::Occupied(place) => return Err(A::Error::custom(Twice(place.key()))),
            }
        }
        Ok(map.into())
    }
}

/// Says which key is there twice, cut to a readable length.
struct Twice<'k>(&'k str);

impl fmt::Display for Twice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(80).flat_map(char::escape_debug).collect();
        write!(f, "the key `{shown}` is given twice in one object, expected once")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        serde_json::from_str(text).map(|Strict(value)| value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_given_twice_is_refused_at_any_depth_and_named() {
        let message = read(r#"{"a": 1, "b": [{"c": 1, "c": 1}]}"#).unwrap_err();
        assert!(message.starts_with("the key `c` is given twice") && message.contains("line 1 column 27"), "{message}");
        // An escape makes no other key.
        assert!(read(r#"{"a": 1, "\u0061": 1}"#).is_err());
        assert!(read(r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}], "A": 1}"#).is_ok());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inside| {
            prop_oneof![
                proptest::collection::vec(inside.clone(), 0..8).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inside, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_ever(value in value(), nearly in "[{}\\[\\]:,\"a0-9.e\\\\ -]{0,24}") {
            prop_assert_eq!(read(&value.to_string()), Ok(value));
            let plain = serde_json::from_str::<Value>(&nearly).map_err(|error| error.to_string());
            match (read(&nearly), plain) {
                (Err(message), _) if message.contains("given twice") => {}
                (strict, plain) => prop_assert_eq!(strict, plain),
            }
        }
    }
}
