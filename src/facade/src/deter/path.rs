//! The addresses of the services: Axis2's, of which clients use several forms.

use mf2c_soap::{Operation, Service};

use super::SERVICES;

/// Below which the services are: the original's, and as its documentation prints it.
pub(super) const BASES: [&str; 2] = ["/axis2/services", "/axis2/service"];

/// What an address leads to.
pub(super) struct Route<'p> {
    pub(super) base: &'p str,
    pub(super) service: &'static Service,
    pub(super) operation: Option<&'static Operation>,
    /// The name of an operation that the service does not have.
    pub(super) unknown: Option<&'p str>,
}

impl<'p> Route<'p> {
    /// `…/Users`, `…/Users/requestChallenge`, `…/Users.UsersHttpsSoap12Endpoint/`, each with or without a slash at the
    /// end.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (base, rest) = BASES.iter().find_map(|base| Some((*base, path.strip_prefix(base)?.strip_prefix('/')?)))?;
        let mut parts = rest.strip_suffix('/').unwrap_or(rest).split('/');
        let named = parts.next()?;
        let (name, port) = named.split_once('.').map_or((named, None), |(name, port)| (name, Some(port)));
        let service = SERVICES.into_iter().find(|service| service.name == name)?;
        if port.is_some_and(|port| !is_port(service.name, port)) {
            return None;
        }
        let (operation, unknown) = match parts.next() {
            None => (None, None),
            Some("") => return None,
            Some(name) => match service.operation(name) {
                None => (None, Some(name)),
                known => (known, None),
            },
        };
        parts.next().is_none().then_some(Self { base, service, operation, unknown })
    }
}

/// The ports of the description, and those that other installations of Axis2 have for plain HTTP.
fn is_port(service: &str, port: &str) -> bool {
    let Some(kind) = port.strip_prefix(service) else { return false };
    let kinds = ["HttpsSoap11Endpoint", "HttpsSoap12Endpoint", "HttpsEndpoint"];
    kinds.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<(&str, &str, Option<&'static str>)> {
        let route = Route::of(path)?;
        assert_eq!(route.unknown, None, "{path}");
        Some((route.base, route.service.name, route.operation.map(|operation| operation.name)))
    }

    #[test]
    fn all_forms_of_addresses_lead_to_the_service() {
        for base in BASES {
            for form in [
                "Users",
                "Users/",
                "Users.UsersHttpsSoap11Endpoint",
                "Users.UsersHttpsSoap12Endpoint/",
                "Users.UsersHttpsEndpoint/",
            ] {
                let path = format!("{base}/{form}");
                let found = read(&path).map(|found| (found.1, found.2));
                assert_eq!(found, Some(("Users", None)), "{form}");
            }
            for form in ["ApiInfo/getVersion", "ApiInfo/getVersion/", "ApiInfo.ApiInfoHttpsEndpoint/getVersion"] {
                let path = format!("{base}/{form}");
                let found = read(&path).map(|found| (found.0, found.2));
                assert_eq!(found, Some((base, Some("getVersion"))), "{form}");
            }
        }
    }

    #[test]
    fn an_operation_that_the_service_does_not_have_is_told_apart() {
        let unknown = |path| Route::of(path).and_then(|route| route.unknown);
        assert_eq!(unknown("/axis2/services/Users/nothing"), Some("nothing"));
        assert_eq!(unknown("/axis2/services/Users/getVersion/"), Some("getVersion"));
        assert_eq!(unknown("/axis2/services/Users/"), None);
    }

    #[test]
    fn what_no_service_has_leads_nowhere() {
        for path in [
            "/",
            "/axis2",
            "/axis2/services",
            "/axis2/services/",
            "/axis2/servicesUsers",
            "/axis2/services/Nobody",
            "/axis2/services/users",
            "/axis2/services/Users/echo/echo",
            "/axis2/services/Users.ProjectsHttpsSoap11Endpoint/",
            "/axis2/services/Users./",
            "/axis2/services/../services/Users",
            "/axis2/services//Users",
            "/axis2/services/ApiInfo//getVersion",
        ] {
            assert!(read(path).is_none(), "{path}");
        }
    }
}
