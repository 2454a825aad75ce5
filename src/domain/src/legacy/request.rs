//! Requests to the regional CAU, in the forms of both iterations, read and written.
//!
//! ```text
//! csr=<PEM>,detectedLeaderID=<>,MACaddr=<>,IDkey=<>,deviceID=<>          first iteration, alone on a TLS connection
//! csr:<PEM>,deviceID:<>,detectedLID:<>[,IDKey:<>]                        second iteration, as body of POST /cau/cert
//! ```
//!
//! Both may hold one pair more, `token`, with a join token.

use std::str::FromStr as _;

use thiserror::Error;

use super::pairs;
use super::trigger::is_mac;
use crate::area::spiffe::check_device;
use crate::area::token::{JoinToken, TokenError};

/// The largest request, in bytes.
pub const LARGEST_REQUEST: usize = 64 << 10;

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iteration {
    /// Pairs with `=`.
    First,
    /// Pairs with `:`.
    Second,
}

/// What is asked of a regional CAU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertRequest {
    /// The certificate request in PEM, with line ends.
    pub csr: String,
    /// The device to be certified.
    pub device: String,
    /// The leader that it has found.
    pub leader: Option<String>,
    /// The key of its user.
    pub id_key: Option<String>,
    /// The address of the leader's network card.
    pub mac: Option<String>,
    /// What permits it, unless the device is expected without.
    pub token: Option<JoinToken>,
}

/// Why a request is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertRequestError {
    /// Not pairs.
    #[error("this is no request: expected `csr`, `deviceID` and others, as pairs with commas between them")]
    Form,
    /// A key that no iteration had.
    #[error("the key `{0}` is unknown")]
    Unknown(String),
    /// The same key twice.
    #[error("the key `{0}` stands there twice")]
    Twice(&'static str),
    /// A key that is needed.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A value that cannot be one.
    #[error("the value of `{0}` is not usable: expected {1}")]
    Value(&'static str, &'static str),
    /// What stands behind `token` is none.
    #[error("{0}")]
    Token(#[from] TokenError),
}

const KEYS: [&str; 6] = ["csr", "deviceID", "detectedLID", "IDKey", "MACaddr", "token"];
/// Other names of the same, and what some versions send besides and nobody needs.
const ALSO: [(&str, Option<usize>); 3] = [("detectedLeaderID", Some(2)), ("detectedLIP", None), ("type", None)];

impl CertRequest {
    /// Reads a whole request.
    ///
    /// # Errors
    /// [`CertRequestError`].
    pub fn parse(text: &str, iteration: Iteration) -> Result<Self, CertRequestError> {
        let separator = match iteration {
            Iteration::First => '=',
            Iteration::Second => ':',
        };
        let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        for (key, value) in pairs(text.trim(), separator).ok_or(CertRequestError::Form)? {
            let own = KEYS.iter().position(|known| key.eq_ignore_ascii_case(known));
            let also = || ALSO.iter().find(|(known, _)| key.eq_ignore_ascii_case(known)).map(|(_, place)| *place);
            let place = match own.map_or_else(also, |place| Some(Some(place))) {
                Some(place) => place,
                None => return Err(CertRequestError::Unknown(key.chars().take(40).collect())),
            };
            let Some((known, place)) = place.and_then(|at| Some((KEYS.get(at)?, values.get_mut(at)?))) else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(CertRequestError::Twice(known));
            }
        }
        let [csr, device, leader, id_key, mac, token] = values;
        // The original writes `null` where it has nothing.
        let given = |value: Option<&str>| value.filter(|text| !text.is_empty() && *text != "null").map(str::to_owned);
        let csr = csr.ok_or(CertRequestError::Missing("csr"))?;
        let device = device.ok_or(CertRequestError::Missing("deviceID"))?;
        let named = "1 to 128 letters, digits, `-` and `_`";
        check_device(device).map_err(|_| CertRequestError::Value("deviceID", named))?;
        let (leader, id_key, mac) = (given(leader), given(id_key), given(mac));
        for (key, value) in [("detectedLID", &leader), ("IDKey", &id_key)] {
            if value.as_deref().is_some_and(|value| check_device(value).is_err()) {
                return Err(CertRequestError::Value(key, named));
            }
        }
        if mac.as_deref().is_some_and(|mac| !is_mac(mac)) {
            return Err(CertRequestError::Value("MACaddr", "the address of a network card"));
        }
        let token = given(token).map(|token| JoinToken::from_str(&token)).transpose()?;
        Ok(Self { csr: format!("{csr}\n"), device: device.to_owned(), leader, id_key, mac, token })
    }

    /// The request as the iteration writes it.
    #[must_use]
    pub fn text(&self, iteration: Iteration) -> String {
        let none = || "null".to_owned();
        let (csr, device) = (self.csr.trim(), &self.device);
        let leader = self.leader.clone().unwrap_or_else(none);
        let id_key = self.id_key.clone().unwrap_or_else(none);
        let (mut text, separator) = match iteration {
            Iteration::First => {
                let mac = self.mac.clone().unwrap_or_else(none);
                (format!("csr={csr},detectedLeaderID={leader},MACaddr={mac},IDkey={id_key},deviceID={device}"), '=')
            }
            Iteration::Second => (format!("csr:{csr},deviceID:{device},detectedLID:{leader},IDKey:{id_key}"), ':'),
        };
        if let Some(token) = &self.token {
            text.push_str(&format!(",token{separator}{token}"));
        }
        text
    }
}

/// Whether all that the first iteration sends has come. Nothing marks the end of such a request, so its last value may
/// still be growing: who reads waits a little longer, unless a line end follows.
#[must_use]
pub fn looks_whole(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let Some(end) = text.find("-----END ") else { return false };
    let behind = &text[end..];
    ["detectedLeaderID=", "MACaddr=", "IDkey=", "deviceID="].iter().all(|key| {
        let key = key.to_ascii_lowercase();
        behind.to_ascii_lowercase().contains(&format!(",{key}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB+/==\n-----END CERTIFICATE REQUEST-----\n";

    fn request() -> CertRequest {
        let token = JoinToken {
            root: [7; 32],
            id: "0123456789abcdef".into(),
            secret: [9; 32].into(),
            address: "[::1]:8444".into(),
        };
        CertRequest {
            csr: PEM.into(),
            device: "8".repeat(128),
            leader: Some("leader-1".into()),
            id_key: Some("a".repeat(128)),
            mac: None,
            token: Some(token),
        }
    }

    #[test]
    fn what_each_iteration_writes_is_read_back() {
        for iteration in [Iteration::First, Iteration::Second] {
            let text = request().text(iteration);
            assert_eq!(CertRequest::parse(&text, iteration), Ok(request()), "{text}");
        }
    }

    #[test]
    fn the_order_of_the_second_iteration_and_its_null_are_read() {
        let text = format!("csr:{PEM},detectedLID:None,IDKey:null,deviceID:edge-7");
        let read = CertRequest::parse(&text, Iteration::Second).unwrap();
        assert_eq!((read.device.as_str(), read.id_key, read.leader.as_deref()), ("edge-7", None, Some("None")));
    }

    #[test]
    fn requests_that_lack_something_or_hold_what_nobody_knows_are_refused() {
        let missing = CertRequestError::Missing;
        for (text, error) in [
            ("".to_owned(), CertRequestError::Form),
            ("nothing".to_owned(), CertRequestError::Form),
            (format!("csr={PEM}"), missing("deviceID")),
            ("deviceID=a".to_owned(), missing("csr")),
            (format!("csr={PEM},deviceID=a,deviceID=b"), CertRequestError::Twice("deviceID")),
            (format!("csr={PEM},deviceID=a,detectedLID=x,detectedLeaderID=y"), CertRequestError::Twice("detectedLID")),
            (format!("csr={PEM},deviceID=a,admin=true"), CertRequestError::Unknown("admin".into())),
            (format!("csr={PEM},deviceID=a,token=x"), TokenError::Form.into()),
        ] {
            assert_eq!(CertRequest::parse(&text, Iteration::First), Err(error), "{text}");
        }
        for bad in ["", "a b", "../a", &"a".repeat(129)] {
            let read = CertRequest::parse(&format!("csr={PEM},deviceID={bad}"), Iteration::First);
            assert!(matches!(read, Err(CertRequestError::Value("deviceID", _))), "{bad}");
        }
    }

    #[test]
    fn a_request_in_pieces_is_not_whole_before_its_last_key() {
        let text = request().text(Iteration::First);
        let whole = text.find(",deviceID=").unwrap() + ",deviceID=".len();
        for at in 0..text.len() {
            assert_eq!(looks_whole(&text.as_bytes()[..at]), at >= whole, "{at}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(csr[=:])?\\PC{0,40}(,deviceID[:=]\\PC{0,9})?") {
            let _ = CertRequest::parse(&text, Iteration::First);
            let _ = CertRequest::parse(&text, Iteration::Second);
            let _ = looks_whole(text.as_bytes());
        }
    }
}
