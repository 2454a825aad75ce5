//! Words of later versions: what an agent does not know it passes over or refuses by itself, without giving up the link.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer as _, VariantAccess, Visitor,
};

/// The name of the variant without a content that stands for all variants of later versions. It is never sent.
const UNKNOWN: &str = "unknown";

/// Reads an enum that has a variant `unknown`: that one, where the variant that came is not known. Variants of later
/// versions must have a content: one without cannot be told apart from a broken frame.
pub(super) fn or_unknown<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    T::deserialize(Lenient(from))
}

struct Lenient<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, Sieve { variants, visitor })
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Lets known variants through to who reads them.
struct Sieve<V> {
    variants: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Sieve<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let (name, content) = access.variant::<Cow<'_, str>>()?;
        match self.variants.iter().find(|known| **known == name && name != UNKNOWN) {
            Some(known) => self.visitor.visit_enum(Known(known, content)),
            None => {
                let IgnoredAny = content.newtype_variant()?;
                self.visitor.visit_enum(StrDeserializer::new(UNKNOWN))
            }
        }
    }
}

/// A variant whose name has been read already.
struct Known<A>(&'static str, A);

impl<'de, A: VariantAccess<'de>> EnumAccess<'de> for Known<A> {
    type Error = A::Error;
    type Variant = A;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, A), A::Error> {
        let name: StrDeserializer<'_, A::Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self.1))
    }
}
