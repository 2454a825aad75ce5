//! What a path means, and what it says of the driver: `/api;driver=ec2/keys`. Pure.

use percent_encoding::percent_decode_str;

use crate::front::refusal;

/// The most parameters of a path that are looked at.
const MOST_PARAMETERS: usize = 16;

/// A path that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it leads.
    pub place: Place,
    /// The driver that it names.
    pub driver: Option<String>,
    /// The provider that it names.
    pub provider: Option<String>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `/`.
    Root,
    /// `/api`.
    EntryPoint,
    /// `/api/drivers`.
    Drivers,
    /// `/api/drivers/{id}`.
    Driver(String),
    /// `/api/keys`.
    Keys,
    /// `/api/keys/new`.
    NewKey,
    /// `/api/keys/{id}`.
    Key(String),
    /// What stands for a request that could not be read, with the reason.
    Refused(String),
    /// Nowhere.
    Unknown,
}

impl Target {
    /// Reads a path as it stands in the request, still encoded. A slash at its end says nothing.
    #[must_use]
    pub fn read(path: &str) -> Self {
        let (mut driver, mut provider, mut steps, mut left) = (None, None, vec![], MOST_PARAMETERS);
        let path = path.strip_prefix('/').unwrap_or(path);
        for step in path.strip_suffix('/').unwrap_or(path).split('/') {
            let mut parts = step.split(';');
            steps.push(parts.next().and_then(decoded));
            for parameter in parts.take(left) {
                left -= 1;
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                match name {
                    "driver" => driver = decoded(value),
                    "provider" => provider = decoded(value),
                    _ => {}
                }
            }
        }
        let steps: Option<Vec<String>> = steps.into_iter().collect();
        let place = steps.map_or(Place::Unknown, Place::of);
        Self { place, driver, provider }
    }
}

impl Place {
    fn of(steps: Vec<String>) -> Self {
        let texts: Vec<&str> = steps.iter().map(String::as_str).collect();
        match texts[..] {
            [] | [""] => Self::Root,
            ["api"] => Self::EntryPoint,
            ["api", "drivers"] => Self::Drivers,
            ["api", "drivers", id] if !id.is_empty() => Self::Driver(id.to_owned()),
            ["api", "keys"] => Self::Keys,
            ["api", "keys", "new"] => Self::NewKey,
            ["api", "keys", id] if !id.is_empty() => Self::Key(id.to_owned()),
            [first, _, token] if refusal::PREFIX.strip_prefix('/') == Some(first) => Self::Refused(token.to_owned()),
            _ => Self::Unknown,
        }
    }

    /// The methods that can be used there, for the header `allow`.
    #[must_use]
    pub const fn methods(&self) -> &'static str {
        match self {
            Self::EntryPoint | Self::Keys => "GET, HEAD, POST, OPTIONS",
            // A form of a page says so that it means DELETE.
            Self::Key(_) => "GET, HEAD, DELETE, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        Target::read(path).place
    }

    #[test]
    fn paths_lead_to_keys_and_to_what_tells_of_them() {
        let key = |id: &str| Place::Key(id.to_owned());
        for (path, expected) in [
            ("/", Place::Root),
            ("", Place::Root),
            ("/api", Place::EntryPoint),
            ("/api/", Place::EntryPoint),
            ("/api/drivers", Place::Drivers),
            ("/api/drivers/mf2c", Place::Driver("mf2c".into())),
            ("/api/keys", Place::Keys),
            ("/api/keys/", Place::Keys),
            ("/api/keys/new", Place::NewKey),
            ("/api/keys/72398", key("72398")),
            ("/api/keys/%3Cb%3E%26%2F%3B", key("<b>&/;")),
            ("/.refused/400/host", Place::Refused("host".into())),
            ("/api/keys/a/b", Place::Unknown),
            ("/api//keys", Place::Unknown),
            ("/api/keys//", Place::Unknown),
            ("/api/../api/keys", Place::Unknown),
            ("/api/%ff", Place::Unknown),
            ("/API/keys", Place::Unknown),
            ("/api/instances", Place::Unknown),
        ] {
            assert_eq!(place(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_of_a_path_name_the_driver_wherever_they_stand() {
        for path in ["/api;driver=ec2;provider=eu-west/keys", "/api/keys;driver=ec2;provider=eu%2Dwest"] {
            let target = Target::read(path);
            assert_eq!((&target.place, target.driver.as_deref()), (&Place::Keys, Some("ec2")), "{path}");
            assert_eq!(target.provider.as_deref(), Some("eu-west"), "{path}");
        }
        let other = Target::read("/api;x=y;;driver/keys/k;z");
        assert_eq!((other.place, other.driver.as_deref()), (Place::Key("k".into()), Some("")));
        let many = format!("/api{};driver=ec2", ";x".repeat(100));
        assert_eq!(Target::read(&many).driver, None);
    }
}
