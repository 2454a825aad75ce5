//! Images: what containers run, and what people say about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Asker;
use super::access::Circles;
use super::computer::{Deed, ProjectLists};
use super::names::digest;

/// What is said about an image, as its document holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// What it is called where it is run: `nginx:alpine`.
    pub image: String,
    /// Whose container it came with.
    pub owner: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The types of containers that can run it.
    #[serde(default)]
    pub valid_in: Vec<String>,
    /// Which projects may do what with it.
    #[serde(flatten)]
    pub projects: ProjectLists,
}

impl Image {
    /// What stands after the slash in the id of its document: an image belongs to whose container it came with.
    #[must_use]
    pub fn local_name(owner: &str, image: &str) -> String {
        digest(&[owner, image])
    }

    /// Whether somebody may do something with it.
    #[must_use]
    pub fn grants(&self, by: Asker<'_>, deed: Deed, circles: &dyn Circles) -> bool {
        by.admin || by.uid == self.owner || self.projects.grants(deed, by.uid, circles)
    }
}

/// The images that services run, each once for each owner. What people say about them takes the place of what follows from
/// the services.
#[must_use]
pub fn merged(run: impl IntoIterator<Item = (String, String, String)>, said: Vec<Image>) -> Vec<Image> {
    let mut all: BTreeMap<(String, String), Image> = BTreeMap::new();
    for (owner, image, exec_type) in run {
        let key = (image.clone(), owner.clone());
        let entry = all.entry(key).or_insert_with(|| Image { image, owner, ..Image::default() });
        if !entry.valid_in.contains(&exec_type) {
            entry.valid_in.push(exec_type);
        }
    }
    for image in said {
        let _ = all.insert((image.image.clone(), image.owner.clone()), image);
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_makes_images_and_what_is_said_about_them_counts() {
        let ran = |owner: &str, image: &str, kind: &str| (owner.to_owned(), image.to_owned(), kind.to_owned());
        let run = [ran("ann", "nginx", "docker"), ran("ann", "nginx", "docker-swarm"), ran("kim", "nginx", "docker")];
        let said = Image {
            image: "nginx".to_owned(),
            owner: "kim".to_owned(),
            description: Some("web".to_owned()),
            ..Image::default()
        };
        let all = merged(run, vec![said]);
        assert_eq!((all.len(), all[0].valid_in.join(" ").as_str()), (2, "docker docker-swarm"));
        assert_eq!((all[1].owner.as_str(), all[1].description.as_deref()), ("kim", Some("web")));
        assert_ne!(Image::local_name("ann", "nginx"), Image::local_name("kim", "nginx"));
    }
}
