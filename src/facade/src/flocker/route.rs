//! What the paths mean.

use percent_encoding::percent_decode_str;

/// The meaning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Version,
    Containers,
    Container(String),
    RunningContainers,
    Datasets,
    Dataset(String),
    PresentDatasets,
    Nodes,
    NodeByEra(String),
    Leases,
    Lease(String),
}

impl Route {
    /// Finds the meaning of a path as it was sent. A slash at the end makes it another one.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        Some(match parts[..] {
            ["version"] => Self::Version,
            ["configuration", "containers"] => Self::Containers,
            ["configuration", "containers", name] => Self::Container(word(name)?),
            ["state", "containers"] => Self::RunningContainers,
            ["configuration", "datasets"] => Self::Datasets,
            ["configuration", "datasets", id] => Self::Dataset(word(id)?),
            ["state", "datasets"] => Self::PresentDatasets,
            ["state", "nodes"] => Self::Nodes,
            ["state", "nodes", "by_era", era] => Self::NodeByEra(word(era)?),
            ["configuration", "leases"] => Self::Leases,
            ["configuration", "leases", id] => Self::Lease(word(id)?),
            _ => return None,
        })
    }

    /// What can be done there, for the header `allow`.
    pub(super) const fn methods(&self) -> &'static str {
        match self {
            Self::Containers | Self::Datasets | Self::Leases => "GET, HEAD, POST",
            Self::Container(_) | Self::Dataset(_) => "POST, DELETE",
            Self::Lease(_) => "DELETE",
            Self::Version | Self::RunningContainers | Self::PresentDatasets | Self::Nodes | Self::NodeByEra(_) => {
                "GET, HEAD"
            }
        }
    }
}

fn word(step: &str) -> Option<String> {
    let text = percent_decode_str(step).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_means_one_thing_and_a_slash_at_the_end_is_another_path() {
        let name = |text: &str| Some(Route::Container(text.to_owned()));
        for (path, route) in [
            ("/v1/version", Some(Route::Version)),
            ("/v1/version/", None),
            ("/v2/version", None),
            ("/", None),
            ("/v1/", None),
            ("/v1/nope", None),
            ("/v1/configuration/containers", Some(Route::Containers)),
            ("/v1/configuration/containers/", None),
            ("/v1/configuration/containers/web", name("web")),
            ("/v1/configuration/containers/%2Fweb", name("/web")),
            ("/v1/configuration/containers/..%2F..%2Fetc", name("../../etc")),
            ("/v1/configuration/containers/a/b", None),
            ("/v1/configuration/containers/%ff", None),
            ("/v1/state/nodes/by_era/x", Some(Route::NodeByEra("x".to_owned()))),
            ("/v1/configuration/leases/x", Some(Route::Lease("x".to_owned()))),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
