//! Addresses that an operator has written down, as the guide of the original has it (2.2.1): `LEADER_DC=host:port` and
//! `CHILDREN_DC=host1:port1;host2:port2`, in the environment or in a file of such lines.

use thiserror::Error;

/// The most addresses of a list.
pub const MOST: usize = 1024;
/// The longest host: that of a DNS name.
const LONGEST_HOST: usize = 253;

/// Why a text is no address, or no list of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressesError {
    /// No address.
    #[error("`{0}` is not HOST:PORT; write for example `10.0.0.5:8444` or `[2001:db8::1]:8444`")]
    Form(String),
    /// No address, in a list.
    #[error("address {number}, `{text}`, is not HOST:PORT; write for example `10.0.0.5:8444;[2001:db8::1]:8444`")]
    FormInList {
        /// Its place, from 1.
        number: usize,
        /// What stands there.
        text: String,
    },
    /// Too many.
    #[error("there are {0} addresses, expected at most {MOST}")]
    TooMany(usize),
}

/// What a file of lines says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// `LEADER_DC`.
    pub leader: Option<String>,
    /// `CHILDREN_DC`.
    pub children: Option<String>,
}

/// Reads `host:port`; IPv6 addresses stand in brackets.
///
/// # Errors
/// [`AddressesError::Form`].
pub fn address(text: &str) -> Result<String, AddressesError> {
    let text = text.trim();
    is_address(text).then(|| text.to_owned()).ok_or_else(|| AddressesError::Form(short(text)))
}

/// Reads `host:port;host:port`. An empty entry is none; whoever stands there twice counts once.
///
/// # Errors
/// [`AddressesError::FormInList`], [`AddressesError::TooMany`].
pub fn addresses(text: &str) -> Result<Vec<String>, AddressesError> {
    let entries = text.split(';').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    let count = entries.clone().count();
    if count > MOST {
        return Err(AddressesError::TooMany(count));
    }
    let mut known = std::collections::BTreeSet::new();
    let mut list = vec![];
    for (at, entry) in entries {
        if !is_address(entry) {
            return Err(AddressesError::FormInList { number: at + 1, text: short(entry) });
        }
        if known.insert(entry) {
            list.push(entry.to_owned());
        }
    }
    Ok(list)
}

/// Reads the lines `NAME=value` of a file such as the original's `.env`. Other names, comments and lines without `=` are
/// passed over; values may stand in quotes; of two of one name the last counts.
#[must_use]
pub fn from_file(text: &str) -> Listed {
    let mut listed = Listed::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value).to_owned();
        match name.trim().trim_start_matches("export ").trim() {
            "LEADER_DC" => listed.leader = Some(value).filter(|value| !value.is_empty()),
            "CHILDREN_DC" => listed.children = Some(value).filter(|value| !value.is_empty()),
            _ => {}
        }
    }
    listed
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let good_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !host.is_empty() && host.len() <= LONGEST_HOST && host.bytes().all(plain) && !host.starts_with(['-', '.'])
        }
    };
    good_port && good_host
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port_and_ipv6_stands_in_brackets() {
        for good in ["fog.example.org:8444", "10.0.0.5:1", "[2001:db8::1]:8444", "my_leader:65535", " h:1 "] {
            assert_eq!(address(good).as_deref(), Ok(good.trim()), "{good}");
        }
        for bad in [
            "",
            "h",
            "h:",
            ":1",
            "h:0",
            "h:65536",
            "h:+1",
            "2001:db8::1:8444",
            "[h]:1",
            "h:1;g:2",
            "-o:1",
            "a b:1",
            "ü:1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_names_the_entry_that_is_wrong_and_has_an_end() {
        let two = Ok(vec!["host1:1".to_owned(), "[::1]:2".to_owned()]);
        for text in ["host1:1;[::1]:2", " host1:1 ; [::1]:2;", ";host1:1;;[::1]:2;host1:1"] {
            assert_eq!(addresses(text), two, "{text}");
        }
        assert_eq!(addresses(""), Ok(vec![]));
        let wrong = addresses("host1:1;host2;host3:3").unwrap_err().to_string();
        assert!(wrong.starts_with("address 2, `host2`, is not HOST:PORT"), "{wrong}");
        let list = |count: usize| (0..count).map(|number| format!("h{number}:1")).collect::<Vec<_>>().join(";");
        assert_eq!(addresses(&list(MOST)).unwrap().len(), MOST);
        assert_eq!(addresses(&list(MOST + 1)), Err(AddressesError::TooMany(MOST + 1)));
    }

    #[test]
    fn the_file_of_the_guide_is_read_among_other_lines() {
        let text =
            "# mF2C\nMF2C_USER=ada\n#LEADER_DC=no:1\n LEADER_DC = 10.0.0.5:8444 \nexport CHILDREN_DC=\"a:1;b:2\"\nodd";
        let listed = from_file(text);
        assert_eq!((listed.leader.as_deref(), listed.children.as_deref()), (Some("10.0.0.5:8444"), Some("a:1;b:2")));
        assert_eq!(from_file("LEADER_DC=\nCHILDREN_DC=''"), Listed::default());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_reads_again(text in "\\PC{0,80}|[a-z0-9.:;\\[\\]]{0,80}") {
            let _ = (address(&text), from_file(&text));
            if let Ok(list) = addresses(&text) {
                prop_assert_eq!(addresses(&list.join(";")), Ok(list));
            }
        }
    }
}
