//! Experiments without what their aspects say: for whoever looks through many of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::access::Access;
use super::aspect::{self, Aspect};
use super::experiment::Experiment;
use super::realization::Realization;

/// What the document of an experiment holds, but for the data of its aspects, which are counted and not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The experiment; no aspect of it has data.
    pub experiment: Experiment,
    /// What its aspects take up: see [`aspect::weight`].
    pub bytes: usize,
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Document::deserialize(deserializer)?;
        let data: usize = document.aspects.iter().map(|aspect| aspect.data.0).sum();
        let aspects: Vec<Aspect> = document.aspects.into_iter().map(Named::without_data).collect();
        let bytes = data + aspect::weight(&aspects);
        let experiment = Experiment {
            experiment_id: document.experiment_id,
            owner: document.owner,
            made_by: document.made_by,
            aspects,
            access: document.access,
            profile: document.profile,
            realization: document.realization,
        };
        Ok(Self { experiment, bytes })
    }
}

/// [`Experiment`] with other aspects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    experiment_id: String,
    owner: String,
    #[serde(default)]
    made_by: Option<String>,
    #[serde(default)]
    aspects: Vec<Named>,
    #[serde(default)]
    access: Vec<Access>,
    #[serde(default)]
    profile: BTreeMap<String, String>,
    #[serde(default)]
    realization: Option<Realization>,
}

/// [`Aspect`] with the length of its data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    sub_type: Option<String>,
    #[serde(default)]
    data: Length,
    #[serde(default)]
    data_reference: Option<String>,
}

impl Named {
    fn without_data(self) -> Aspect {
        let Self { name, kind, sub_type, data_reference, .. } = self;
        Aspect { name, kind, sub_type, data: None, data_reference }
    }
}

/// The length of a text; 0 of anything else.
#[derive(Default)]
struct Length(usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted;
        impl serde::de::Visitor<'_> for Counted {
            type Value = Length;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a text or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Length, E> {
                Ok(Length(text.len()))
            }

            fn visit_unit<E>(self) -> Result<Length, E> {
                Ok(Length(0))
            }
        }
        deserializer.deserialize_any(Counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::aspect::Sent;
    use crate::testbed::names::ExperimentId;

    #[test]
    fn an_outline_is_the_experiment_without_the_data_of_its_aspects_which_are_counted() {
        let mut whole = Experiment::new(&ExperimentId::new("ann", "x").unwrap(), "ann");
        for (name, data) in [("a", Some(vec![1; 30])), ("b", None), ("c", Some(vec![2; 3]))] {
            let (name, kind) = (Some(name.to_owned()), Some("notes".to_owned()));
            let sent = Sent { name, kind, data, ..Sent::default() };
            assert!(aspect::add(&mut whole.aspects, sent).success());
        }
        let stored = serde_json::to_vec(&whole).unwrap();
        let outline: Outline = serde_json::from_slice(&stored).unwrap();
        assert_eq!(outline.bytes, aspect::weight(&whole.aspects));
        whole.aspects.iter_mut().for_each(|aspect| aspect.data = None);
        assert_eq!(outline.experiment, whole);
    }
}
