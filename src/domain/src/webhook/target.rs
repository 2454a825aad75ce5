//! Where a webhook may lead: not into the agent's own network unless the operator allows it, and not in clear through the
//! public Internet.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::special;

/// Why a target is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An address that is not on the public Internet.
    #[error("the address {address} is {what}, and only public ones are allowed unless `webhooks.allow_private` is set")]
    Special {
        /// The address.
        address: IpAddr,
        /// What is special about it.
        what: &'static str,
    },
    /// Plain HTTP to an address of the public Internet.
    #[error("plain http would show the documents to everybody on the way to {0}; use https")]
    Plain(IpAddr),
    /// Neither http nor https.
    #[error("only http and https are used")]
    Scheme,
}

/// Which addresses are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Those of the public Internet.
    pub public: bool,
    /// All others.
    pub private: bool,
}

impl Reach {
    /// What a URL of this scheme may reach; none if it is another one than http and https.
    #[must_use]
    pub fn of(scheme: &str, allow_private: bool) -> Option<Self> {
        match scheme {
            "https" => Some(Self { public: true, private: allow_private }),
            "http" => Some(Self { public: false, private: allow_private }),
            _ => None,
        }
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// [`Refused`] if not.
    pub fn address(self, address: IpAddr) -> Result<(), Refused> {
        match special(address) {
            Some(what) if !self.private => Err(Refused::Special { address, what }),
            None if !self.public => Err(Refused::Plain(address)),
            _ => Ok(()),
        }
    }

    /// Looks at a host that is an address already, however it is written. A name is looked at when it is resolved.
    ///
    /// # Errors
    /// [`Refused`] if that address is not allowed.
    pub fn url(self, url: &Url) -> Result<(), Refused> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.address(address.into()),
            Some(Host::Ipv6(address)) => self.address(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }
}

/// Whether a webhook may have this target, as far as that can be told without resolving a name. What is no URL, or
/// of another scheme than http and https, is refused for its form, elsewhere.
///
/// # Errors
/// [`Refused`] if every delivery would be refused.
pub fn check(target: &str, allow_private: bool) -> Result<(), Refused> {
    let Ok(url) = Url::parse(target) else { return Ok(()) };
    Reach::of(url.scheme(), allow_private).map_or(Ok(()), |reach| reach.url(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_never_reached_is_refused_and_a_name_is_not() {
        for bad in ["https://127.0.0.1/", "http://2130706433/", "https://[::ffff:10.0.0.1]/", "http://169.254.169.254"]
        {
            assert!(check(bad, false).unwrap_err().to_string().contains("`webhooks.allow_private`"), "{bad}");
            assert_eq!(check(bad, true), Ok(()), "{bad}");
        }
        for private in [false, true] {
            assert!(matches!(check("http://8.8.8.8/", private), Err(Refused::Plain(_))));
            assert_eq!(Reach::of("ftp", private), None);
            for good in ["https://8.8.8.8/", "https://localhost/", "http://localhost/", "no URL"] {
                assert_eq!(check(good, private), Ok(()), "{good}");
            }
        }
    }
}
