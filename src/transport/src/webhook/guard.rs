//! Decides which addresses may be connected to. It is the resolver of the HTTP client, so that the address that was
//! looked at is the one that is used: a name that answers differently the next time gains nothing.

use std::net::SocketAddr;

use mf2c_domain::webhook::target::{Reach, Refused};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The rule, where the HTTP client asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard(pub(crate) Reach);

impl Guard {
    /// Looks at a host that is an address already, which no resolver sees.
    pub(crate) fn url(self, url: &Url) -> Result<(), Refused> {
        self.0.url(url)
    }

    /// The addresses that are allowed, or why none is.
    fn choose(self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut allowed = Vec::new();
        let mut why = None;
        for candidate in found {
            match self.0.address(candidate.ip()) {
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
    use std::net::IpAddr;

    use mf2c_domain::webhook::address::special;
    use proptest::prelude::*;

    use super::*;

    const CLOSED: Guard = Guard(Reach { public: true, private: false });
    const OPEN: Guard = Guard(Reach { public: true, private: true });
    const PLAIN: Guard = Guard(Reach { public: false, private: true });

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
        let closed = Guard(Reach { public: false, private: false });
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
                prop_assert_eq!(CLOSED.0.address(address).is_ok(), special(address).is_none());
            }
        }
    }
}
