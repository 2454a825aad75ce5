//! Decides which addresses may be connected to. It is the resolver of the HTTP client, so that the address that was
//! looked at is the one that is used: a name that answers differently the next time gains nothing.

use std::net::{IpAddr, SocketAddr};

use mf2c_domain::webhook::address::special;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses are allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// Those of the public Internet.
    pub(super) public: bool,
    /// All others.
    pub(super) private: bool,
}

/// Why a target is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
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

impl Guard {
    /// Whether an address may be connected to.
    pub(super) fn address(self, address: IpAddr) -> Result<(), Refused> {
        match special(address) {
            Some(what) if !self.private => Err(Refused::Special { address, what }),
            None if !self.public => Err(Refused::Plain(address)),
            _ => Ok(()),
        }
    }

    /// Looks at a host that is an address already, which no resolver sees.
    pub(super) fn url(self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        address.map_or(Ok(()), |address| self.address(address))
    }

    /// The addresses that are allowed, or why none is.
    fn choose(self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut allowed = Vec::new();
        let mut why = None;
        for candidate in found {
            match self.address(candidate.ip()) {
                Ok(()) => allowed.push(candidate),
                Err(refused) => why = Some(refused),
            }
        }
        match why {
            Some(refused) if allowed.is_empty() => Err(refused),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            // The system's resolver, on a thread where it may block.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = guard.choose(found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOSED: Guard = Guard { public: true, private: false };
    const OPEN: Guard = Guard { public: true, private: true };
    const PLAIN: Guard = Guard { public: false, private: true };

    fn allowed(guard: Guard, url: &str) -> bool {
        guard.url(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn an_address_is_refused_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "10.0.0.1",
            "169.254.169.254",
            "[fe80::1]",
            "[fd00::1]",
            "0.0.0.0",
            "[::]",
            "100.64.0.1",
        ] {
            assert!(!allowed(CLOSED, &format!("https://{host}/")), "{host}");
            assert!(allowed(OPEN, &format!("https://{host}/")), "{host}");
        }
        assert!(allowed(CLOSED, "https://8.8.8.8/") && allowed(CLOSED, "https://[2606:4700::1111]/"));
    }

    #[test]
    fn plain_http_goes_to_private_addresses_alone() {
        assert!(allowed(PLAIN, "http://127.0.0.1:8080/") && !allowed(PLAIN, "http://8.8.8.8/"));
        let closed = Guard { public: false, private: false };
        assert!(!allowed(closed, "http://127.0.0.1/") && !allowed(closed, "http://8.8.8.8/"));
    }

    #[test]
    fn of_a_names_addresses_only_the_allowed_ones_are_used() {
        let of = |addresses: &[&str]| {
            let all: Vec<SocketAddr> = addresses.iter().map(|each| SocketAddr::new(each.parse().unwrap(), 0)).collect();
            CLOSED.choose(all.into_iter()).map(|chosen| chosen.len())
        };
        assert_eq!(of(&["8.8.8.8", "127.0.0.1", "::1"]), Ok(1));
        assert_eq!(of(&[]), Ok(0));
        let refused = Refused::Special { address: "127.0.0.1".parse().unwrap(), what: "loopback" };
        assert_eq!(of(&["127.0.0.1"]), Err(refused));
    }

    proptest! {
        #[test]
        fn nothing_special_is_ever_allowed_by_a_closed_guard(bits: u128, four: u32) {
            for address in [IpAddr::from(bits.to_be_bytes()), IpAddr::from(four.to_be_bytes())] {
                prop_assert_eq!(CLOSED.address(address).is_ok(), special(address).is_none());
            }
        }
    }
}
