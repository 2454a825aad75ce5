//! What the paths mean.

use mf2c_sla::State;

/// The meaning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// What there is.
    Index,
    /// `/healthz`.
    Health,
    /// `/metrics`.
    Metrics,
    /// `/providers`.
    Providers,
    /// `/providers/{id}`.
    Provider(&'p str),
    /// `/agreements`.
    Agreements,
    /// `/agreements/{id}`.
    Agreement(&'p str),
    /// `/agreements/{id}/details`.
    Details(&'p str),
    /// `/agreements/{id}/assessment`.
    Assessment(&'p str),
    /// `/agreements/{id}/slo`.
    Slo(&'p str),
    /// `/agreements/{id}/start`, `stop` and `terminate`.
    State(&'p str, State),
    /// `/templates`.
    Templates,
    /// `/templates/{id}`.
    Template(&'p str),
    /// `/create-agreement` and `/mf2c/create-agreement`.
    Create,
    /// `/violations`.
    Violations,
    /// `/penalties`.
    Penalties,
    /// `/expressions/validate`.
    Validate,
}

impl<'p> Route<'p> {
    /// Finds the meaning of a decoded path below the prefix, without a slash at its end.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let path = match path {
            "" => return Some(Self::Index),
            path => path.strip_prefix('/')?,
        };
        Some(match path {
            "healthz" => Self::Health,
            "metrics" => Self::Metrics,
            "providers" => Self::Providers,
            "agreements" => Self::Agreements,
            "templates" => Self::Templates,
            "create-agreement" | "mf2c/create-agreement" => Self::Create,
            "violations" => Self::Violations,
            "penalties" => Self::Penalties,
            "expressions/validate" => Self::Validate,
            _ => {
                let (first, rest) = path.split_once('/')?;
                match first {
                    "providers" => Self::Provider(one(rest)?),
                    // Ids in bodies have the type before them, those in paths may.
                    "templates" => Self::Template(one(rest.strip_prefix("sla-template/").unwrap_or(rest))?),
                    "agreements" => Self::of_agreement(rest)?,
                    _ => return None,
                }
            }
        })
    }

    fn of_agreement(path: &'p str) -> Option<Self> {
        let part = |part: Option<&str>, id: &'p str| {
            Some(match part {
                None => Self::Agreement(id),
                Some("details") => Self::Details(id),
                Some("assessment") => Self::Assessment(id),
                Some("slo") => Self::Slo(id),
                Some("start") => Self::State(id, State::Started),
                Some("stop") => Self::State(id, State::Stopped),
                Some("terminate") => Self::State(id, State::Terminated),
                Some(_) => return None,
            })
        };
        match path.split_once('/') {
            None => part(None, one(path)?),
            Some((id, word)) if part(Some(word), id).is_some() => part(Some(word), one(id)?),
            Some(("agreement", rest)) => match rest.split_once('/') {
                None => part(None, one(rest)?),
                Some((id, word)) => part(Some(word), one(id)?),
            },
            Some(_) => None,
        }
    }

    /// What can be done there, for the header `allow`.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Providers | Self::Agreements | Self::Templates => "GET, POST",
            Self::Provider(_) => "GET, DELETE",
            Self::Agreement(_) => "GET, PUT, DELETE",
            Self::State(..) => "PUT",
            Self::Create | Self::Validate => "POST",
            _ => "GET",
        }
    }
}

/// One step of a path.
fn one(step: &str) -> Option<&str> {
    (!step.is_empty() && !step.contains('/')).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_original_has_them_and_ids_may_have_their_type_before_them() {
        for (path, route) in [
            ("", Some(Route::Index)),
            ("/agreements", Some(Route::Agreements)),
            ("/agreements/a1", Some(Route::Agreement("a1"))),
            ("/agreements/agreement/a1", Some(Route::Agreement("a1"))),
            ("/agreements/a1/details", Some(Route::Details("a1"))),
            ("/agreements/agreement/details", Some(Route::Details("agreement"))),
            ("/agreements/agreement/a1/stop", Some(Route::State("a1", State::Stopped))),
            ("/agreements/a1/terminate", Some(Route::State("a1", State::Terminated))),
            ("/agreements/a1/else", None),
            ("/agreements//start", None),
            ("/agreements/a/b/c", None),
            ("/templates/sla-template/t1", Some(Route::Template("t1"))),
            ("/mf2c/create-agreement", Some(Route::Create)),
            ("/mf2c", None),
            ("/expressions/validate", Some(Route::Validate)),
            ("x", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
