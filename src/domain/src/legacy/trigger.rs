//! The line that cau-client waits for on port 46065.
//!
//! ```text
//! detectedLeaderID=<>,deviceID=<>,IDkey=<>,MACaddr=<>     first iteration, in any order
//! detectedLeaderID=<>,deviceID=<>[,IDkey=<>]              second iteration
//! getpubkey=<deviceID>
//! ```

use thiserror::Error;

use super::pairs;
use crate::area::spiffe::check_device;

/// The longest line, in bytes, with its end.
pub const LONGEST_LINE: usize = 64 << 10;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// To get a certificate, and to show it to the leader.
    Authenticate {
        /// The leader that discovery found, or `None` in so many letters.
        leader: String,
        /// The device to be certified.
        device: String,
        /// The key of its user, if it was sent.
        id_key: Option<String>,
        /// The address of the leader's network card, if it was sent.
        mac: Option<String>,
    },
    /// For the public key of a device.
    PublicKey(String),
}

/// Why a line asks for nothing. The texts are the answer; `OK` never stands in them, because clients look for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TriggerError {
    /// Not of the form at all.
    #[error("expected pairs such as detectedLeaderID=...,deviceID=... or getpubkey=...")]
    Form,
    /// A key that no iteration had.
    #[error("unknown key; expected detectedLeaderID, deviceID, IDkey and MACaddr, or getpubkey alone")]
    Unknown,
    /// The same key twice.
    #[error("the key {0} stands there twice")]
    Twice(&'static str),
    /// A key that is needed.
    #[error("the key {0} is missing")]
    Missing(&'static str),
    /// A value that cannot be one.
    #[error("the value of {0} is not usable: expected 1 to 128 letters, digits, - and _")]
    Value(&'static str),
    /// Keys that do not go together.
    #[error("getpubkey stands alone")]
    Together,
}

const KEYS: [&str; 5] = ["detectedLeaderID", "deviceID", "IDkey", "MACaddr", "getpubkey"];

/// Reads a line without its end.
///
/// # Errors
/// [`TriggerError`].
pub fn parse(line: &str) -> Result<Trigger, TriggerError> {
    let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
    for (key, value) in pairs(line.strip_suffix('\r').unwrap_or(line), '=').ok_or(TriggerError::Form)? {
        let known = KEYS.iter().zip(&mut values).find(|(known, _)| key.eq_ignore_ascii_case(known));
        let (known, place) = known.ok_or(TriggerError::Unknown)?;
        if place.replace(value).is_some() {
            return Err(TriggerError::Twice(known));
        }
    }
    let [leader, device, id_key, mac, public_key] = values;
    let checked = |key, value: &str| match check_device(value) {
        Ok(()) => Ok(value.to_owned()),
        Err(_) => Err(TriggerError::Value(key)),
    };
    if let Some(wanted) = public_key {
        let alone = [leader, device, id_key, mac].iter().all(Option::is_none);
        return if alone { checked("getpubkey", wanted).map(Trigger::PublicKey) } else { Err(TriggerError::Together) };
    }
    Ok(Trigger::Authenticate {
        leader: checked("detectedLeaderID", leader.ok_or(TriggerError::Missing("detectedLeaderID"))?)?,
        device: checked("deviceID", device.ok_or(TriggerError::Missing("deviceID"))?)?,
        id_key: id_key.map(|value| checked("IDkey", value)).transpose()?,
        mac: mac
            .map(|value| if is_mac(value) { Ok(value.to_owned()) } else { Err(TriggerError::Value("MACaddr")) })
            .transpose()?,
    })
}

/// The address of a network card, or whatever else of that kind discovery has found.
pub(super) fn is_mac(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_both_iterations_are_read_in_any_order() {
        let id = "8".repeat(128);
        for line in [
            format!("detectedLeaderID={id},deviceID={id},IDkey={id},MACaddr=ab:cd:ef:01:23:45"),
            format!("MACaddr=ab:cd:ef:01:23:45,IDkey={id},deviceID={id},detectedLeaderID={id}"),
            format!("detectedLeaderID={id},deviceID={id},IDkey={id}"),
            format!("detectedLeaderID={id},deviceID={id}\r"),
        ] {
            let Ok(Trigger::Authenticate { leader, device, .. }) = parse(&line) else { panic!("{line}") };
            assert_eq!((leader, device), (id.clone(), id.clone()));
        }
        assert!(parse("detectedLeaderID=None,deviceID=a1").is_ok(), "what policies sends without a leader");
        assert_eq!(parse("getpubkey=edge-7"), Ok(Trigger::PublicKey("edge-7".into())));
    }

    #[test]
    fn everything_else_is_refused_by_name_and_without_the_word_that_means_success() {
        let cases = [
            ("", TriggerError::Form),
            ("hello", TriggerError::Form),
            ("foo=bar", TriggerError::Unknown),
            ("adduser=jane", TriggerError::Unknown),
            ("detectedLeaderID=a,deviceID=b,deviceID=c", TriggerError::Twice("deviceID")),
            ("deviceID=b", TriggerError::Missing("detectedLeaderID")),
            ("detectedLeaderID=a", TriggerError::Missing("deviceID")),
            ("detectedLeaderID=a,deviceID=", TriggerError::Value("deviceID")),
            ("detectedLeaderID=a,deviceID=../../etc", TriggerError::Value("deviceID")),
            ("detectedLeaderID=a,deviceID=b,MACaddr=a b", TriggerError::Value("MACaddr")),
            ("getpubkey=a,deviceID=b", TriggerError::Together),
            ("getpubkey=", TriggerError::Value("getpubkey")),
        ];
        for (line, error) in cases {
            let refused = parse(line).unwrap_err();
            assert!(!refused.to_string().contains("OK"), "{refused}");
            assert_eq!(refused, error, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "((deviceID|detectedLeaderID|getpubkey|x)=?\\PC{0,9},?){0,5}") {
            let _ = parse(&line);
        }
    }
}
