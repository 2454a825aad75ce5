//! What the paths mean.

/// Where the endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Below `/um`, at the address of the API.
    Below,
    /// Below `/api/v2/um`, at a listener of their own.
    Alone,
}

/// A kind of document by which an owner says what he shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// `user-profile`.
    Profile,
    /// `sharing-model`.
    Model,
}

/// The meaning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// What answers here.
    Banner,
    /// `/user/{id}`.
    User(&'p str),
    /// `/user`.
    Users,
    /// `/current/{what}`.
    Current(&'p str),
    /// `/user-profile` and `/sharing-model`: those of this device.
    Own(Policy),
    /// `/user-profile/{id}` and `/sharing-model/{id}`.
    One(Policy, &'p str),
    /// `/assesment`, as the original spells it.
    Assessment,
    /// `/check`.
    Check,
}

impl<'p> Route<'p> {
    /// Finds the meaning of a decoded path.
    pub(super) fn of(at: At, path: &'p str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        let tail = match at {
            At::Alone if path.is_empty() => return Some(Self::Banner),
            At::Alone => path,
            At::Below => path.strip_prefix("/um")?,
        };
        match tail.strip_prefix("/api/v2") {
            Some("") => Some(Self::Banner),
            Some(versioned) => Self::of_tail(versioned.strip_prefix("/um")?),
            None if at == At::Alone => None,
            None => Self::of_tail(tail),
        }
    }

    fn of_tail(tail: &'p str) -> Option<Self> {
        let tail = match tail {
            "" => return Some(Self::Banner),
            tail => tail.strip_prefix('/')?,
        };
        Some(match tail {
            "user" => Self::Users,
            "user-profile" => Self::Own(Policy::Profile),
            "sharing-model" => Self::Own(Policy::Model),
            "assesment" | "assessment" => Self::Assessment,
            "check" => Self::Check,
            _ => {
                let (first, rest) = tail.split_once('/')?;
                // Ids may have their type before them.
                let id = rest.strip_prefix(first).and_then(|rest| rest.strip_prefix('/')).unwrap_or(rest);
                let id = (!id.is_empty() && !id.contains('/')).then_some(id)?;
                match first {
                    "user" => Self::User(id),
                    "current" => Self::Current(id),
                    "user-profile" => Self::One(Policy::Profile, id),
                    "sharing-model" => Self::One(Policy::Model, id),
                    _ => return None,
                }
            }
        })
    }

    /// What can be done there, for the header `allow`.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Users => "DELETE",
            Self::Own(Policy::Model) | Self::Assessment => "GET, PUT",
            Self::One(..) => "GET, PUT, DELETE",
            _ => "GET",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_original_has_them_at_both_places() {
        for (tail, route) in [
            ("/user/jane", Some(Route::User("jane"))),
            ("/user/user/jane", Some(Route::User("jane"))),
            ("/user", Some(Route::Users)),
            ("/current/all", Some(Route::Current("all"))),
            ("/user-profile", Some(Route::Own(Policy::Profile))),
            ("/sharing-model/", Some(Route::Own(Policy::Model))),
            ("/sharing-model/sharing-model/a", Some(Route::One(Policy::Model, "a"))),
            ("/user-profile/a", Some(Route::One(Policy::Profile, "a"))),
            ("/assesment", Some(Route::Assessment)),
            ("/check", Some(Route::Check)),
            ("", Some(Route::Banner)),
            ("/user/a/b", None),
            ("/else", None),
            ("x", None),
        ] {
            for (at, prefix) in [(At::Below, "/um"), (At::Below, "/um/api/v2/um"), (At::Alone, "/api/v2/um")] {
                assert_eq!(Route::of(at, &format!("{prefix}{tail}")), route, "{prefix}{tail}");
            }
        }
        assert_eq!(Route::of(At::Alone, "/um/check"), None);
        assert_eq!(Route::of(At::Alone, "/api/v2"), Some(Route::Banner));
        assert_eq!(Route::of(At::Below, "/umx"), None);
    }
}
