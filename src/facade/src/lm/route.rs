//! What the paths mean.

/// Where the endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Below `/lm` and `/mf2c`, at the address of the API.
    Below,
    /// Below `/api/v2`, at a listener of their own.
    Alone,
    /// Below `/mf2c`, at the recommender's listener.
    Recommender,
}

/// The meaning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// `/api/v2`: what answers here.
    Banner,
    /// The description, and where notes are sent.
    Index,
    /// The description as a page.
    Page,
    /// `/agent-config`.
    Config,
    /// `/check-agent-um`.
    CheckPolicy,
    /// `/check-agent-swarm`.
    CheckSwarm,
    /// `/agent-um`.
    Sharing,
    /// `/isumalive`.
    Alive,
    /// `/service`.
    Launch,
    /// `/service-instance-int`, by which the original's agents spoke to each other.
    Internal,
    /// `/service-instances/all`.
    Instances,
    /// `/service-instances/{id}`.
    Instance(&'p str),
    /// `/service-instances/{id}/der`.
    Job(&'p str),
    /// `/service-instances/{id}/report`.
    Report(&'p str),
    /// `/service-instances/{id}/logs`.
    Logs(&'p str),
    /// `/service-instances/{id}/exec`.
    Exec(&'p str),
    /// `/service-instances/{id}/usage`.
    Usage(&'p str),
    /// `/service-instances/{id}/events`.
    Events(&'p str),
    /// `/devices`.
    Devices,
    /// `/devices/{id}`.
    Device(&'p str),
    /// `/explain/{id}`.
    Explain(&'p str),
    /// `/mf2c/optimal`.
    Optimal,
    /// `/mf2c/analyse` and `/mf2c/refine`.
    Analysis,
}

impl<'p> Route<'p> {
    /// Finds the meaning of a decoded path.
    pub(super) fn of(at: At, path: &'p str) -> Option<Self> {
        let path = match path.trim_end_matches('/') {
            "" => return (at != At::Below).then_some(Self::Banner),
            path => path,
        };
        let recommender = path.strip_prefix("/mf2c/").filter(|_| at != At::Alone);
        if let Some(word) = recommender {
            return Self::of_recommender(word);
        }
        match at {
            At::Recommender => None,
            At::Alone => Self::of_version(path.strip_prefix("/api/v2")?),
            At::Below if path == "/lm.html" => Some(Self::Page),
            At::Below => {
                let tail = path.strip_prefix("/lm")?;
                match tail.strip_prefix("/api/v2") {
                    Some(versioned) => Self::of_version(versioned),
                    None => Self::of_tail(tail),
                }
            }
        }
    }

    fn of_recommender(word: &str) -> Option<Self> {
        match word {
            "optimal" => Some(Self::Optimal),
            "analyse" | "refine" => Some(Self::Analysis),
            _ => None,
        }
    }

    fn of_version(path: &'p str) -> Option<Self> {
        match path {
            "" => Some(Self::Banner),
            "/lm.html" => Some(Self::Page),
            _ => Self::of_tail(path.strip_prefix("/lm")?),
        }
    }

    fn of_tail(tail: &'p str) -> Option<Self> {
        let path = match tail {
            "" => return Some(Self::Index),
            tail => tail.strip_prefix('/')?,
        };
        Some(match path {
            "agent-config" => Self::Config,
            "check-agent-um" => Self::CheckPolicy,
            "check-agent-swarm" => Self::CheckSwarm,
            "agent-um" => Self::Sharing,
            "isumalive" => Self::Alive,
            "service" => Self::Launch,
            "service-instance-int" => Self::Internal,
            "devices" => Self::Devices,
            _ => {
                let (first, rest) = path.split_once('/')?;
                match first {
                    "service-instances" => Self::of_instance(rest)?,
                    "devices" => Self::Device(name("device", rest)?),
                    "explain" => Self::Explain(name("service", rest)?),
                    _ => return None,
                }
            }
        })
    }

    fn of_instance(rest: &'p str) -> Option<Self> {
        let rest = rest.strip_prefix("service-instance/").unwrap_or(rest);
        let Some((id, part)) = rest.split_once('/') else {
            return if rest == "all" { Some(Self::Instances) } else { Some(Self::Instance(one(rest)?)) };
        };
        let id = one(id)?;
        Some(match part {
            "der" => Self::Job(id),
            "report" => Self::Report(id),
            "logs" => Self::Logs(id),
            "exec" => Self::Exec(id),
            "usage" => Self::Usage(id),
            "events" => Self::Events(id),
            _ => return None,
        })
    }

    /// What can be done there, for the header `allow`.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Index => "GET, HEAD, POST",
            Self::Instances => "GET, HEAD, DELETE",
            Self::Instance(_) => "GET, HEAD, PUT, DELETE",
            Self::Launch | Self::Exec(_) | Self::Analysis => "POST",
            Self::Internal => "POST, PUT",
            Self::Job(_) | Self::Device(_) => "PUT",
            Self::Optimal => "GET, HEAD, POST",
            _ => "GET, HEAD",
        }
    }
}

/// A name with or without its type before it.
fn name<'p>(kind: &str, text: &'p str) -> Option<&'p str> {
    one(text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text))
}

/// One step of a path.
fn one(step: &str) -> Option<&str> {
    (!step.is_empty() && !step.contains('/')).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_original_and_its_proxy_have_them() {
        for (path, route) in [
            ("/lm", Some(Route::Index)),
            ("/lm/", Some(Route::Index)),
            ("/lm.html", Some(Route::Page)),
            ("/lm/api/v2", Some(Route::Banner)),
            ("/lm/api/v2/lm", Some(Route::Index)),
            ("/lm/api/v2/lm.html", Some(Route::Page)),
            ("/lm/service", Some(Route::Launch)),
            ("/lm/api/v2/lm/service", Some(Route::Launch)),
            ("/lm/service-instances/all", Some(Route::Instances)),
            ("/lm/service-instances/i1", Some(Route::Instance("i1"))),
            ("/lm/service-instances/service-instance/i1/logs", Some(Route::Logs("i1"))),
            ("/lm/service-instances/i1/der", Some(Route::Job("i1"))),
            ("/lm/service-instances/i1/else", None),
            ("/lm/service-instances//logs", None),
            ("/lm/service-instances", None),
            ("/lm/devices/device/d1", Some(Route::Device("d1"))),
            ("/lm/explain/service/s1", Some(Route::Explain("s1"))),
            ("/lmx", None),
            ("/lm/api/v2/um", None),
            ("/mf2c/optimal", Some(Route::Optimal)),
            ("/mf2c/refine", Some(Route::Analysis)),
            ("/", None),
        ] {
            assert_eq!(Route::of(At::Below, path), route, "{path}");
        }
    }

    #[test]
    fn listeners_of_their_own_have_only_what_the_original_had_there() {
        for (path, route) in [
            ("/", Some(Route::Banner)),
            ("/api/v2/", Some(Route::Banner)),
            ("/api/v2/lm", Some(Route::Index)),
            ("/api/v2/lm.html", Some(Route::Page)),
            ("/api/v2/lm/service-instances/i1/exec", Some(Route::Exec("i1"))),
            ("/lm/service", None),
            ("/mf2c/optimal", None),
        ] {
            assert_eq!(Route::of(At::Alone, path), route, "{path}");
        }
        for (path, route) in [("/", Some(Route::Banner)), ("/mf2c/optimal", Some(Route::Optimal)), ("/lm", None)] {
            assert_eq!(Route::of(At::Recommender, path), route, "{path}");
        }
    }
}
