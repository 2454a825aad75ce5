//! What is said to and heard from the programs that run a Wi-Fi card: `iw`, `hostapd`, `wpa_supplicant` and `dnsmasq`.
//!
//! Everything here is text; the programs are run elsewhere. Names that come from outside are checked here, because they
//! become arguments and lines of files.

use std::fmt::Write as _;

use thiserror::Error;

use super::beacon::{Beacon, BeaconError};
use super::token::hex;

/// The name of the network that a leader spans; it is not shown (cluster specification, c.1).
pub const SSID: &str = "mf2c-leader";
/// The address of a leader in the network that it spans.
pub const LEADER_ADDRESS: &str = "192.168.7.1";
/// The same with the length of the network's prefix.
pub const LEADER_NETWORK: &str = "192.168.7.1/24";
/// The addresses that a leader gives out there, and for how long.
const RANGE: &str = "192.168.7.20,192.168.7.254,255.255.255.0,12h";
/// The channel of the 2.4 GHz band.
const CHANNEL: u8 = 6;
/// Pauses between two beacons of 802.11 that are accepted, in time units of 1.024 ms, as the original's.
pub const INTERVALS: std::ops::RangeInclusive<u16> = 15..=65534;
/// The most networks of one scan that are looked at.
const MOST: usize = 1024;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WifiNameError {
    /// No name of a network card.
    #[error(
        "`{0}` is no name of a network interface; expected up to 15 letters, digits, `.`, `_`, `-`, such as `wlan0`"
    )]
    Interface(String),
    /// No address of an access point.
    #[error("`{0}` is no BSSID; expected six pairs of hexadecimal digits, such as `02:00:00:00:01:00`")]
    Bssid(String),
    /// No pause.
    #[error("`{0}` is no beacon interval; expected a whole number from 15 to 65534, in units of 1.024 ms")]
    Interval(String),
}

/// The name of a network card, as Linux has it (`IFNAMSIZ` is 16 with the zero at its end), and nothing that a program
/// could take for an option or a path.
///
/// # Errors
/// [`WifiNameError::Interface`].
pub fn check_interface(name: &str) -> Result<(), WifiNameError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=15).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with(['-', '.']);
    good.then_some(()).ok_or_else(|| WifiNameError::Interface(name.chars().take(40).collect()))
}

/// The address of an access point, in lower case.
///
/// # Errors
/// [`WifiNameError::Bssid`].
pub fn bssid(text: &str) -> Result<String, WifiNameError> {
    let mut pairs = text.split(':');
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    let good = text.len() == 17 && pairs.all(pair);
    good.then(|| text.to_ascii_lowercase()).ok_or_else(|| WifiNameError::Bssid(text.chars().take(40).collect()))
}

/// The pause between two beacons.
///
/// # Errors
/// [`WifiNameError::Interval`].
pub fn interval(text: &str) -> Result<u16, WifiNameError> {
    let number = text.trim().parse().ok().filter(|number| INTERVALS.contains(number));
    number.ok_or_else(|| WifiNameError::Interval(text.chars().take(40).collect()))
}

/// A leader that a scan has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLeader {
    /// The address of its access point.
    pub bssid: String,
    /// How strong it is heard, in hundredths of dBm, if that was told.
    pub signal: Option<i32>,
    /// The values of its vendor element, as hexadecimal digits.
    pub values: String,
    /// What they say.
    pub beacon: Beacon,
}

/// Reads what `iw dev CARD scan -u` prints: networks with a vendor element of ours. The strongest comes first; what cannot
/// be read is passed over.
#[must_use]
pub fn found(printed: &str) -> Vec<FoundLeader> {
    let mut all: Vec<FoundLeader> = vec![];
    let mut network: Option<(String, Option<i32>)> = None;
    for line in printed.lines() {
        if let Some(rest) = line.strip_prefix("BSS ") {
            let address = rest.get(..17).and_then(|text| bssid(text).ok());
            network = address.map(|address| (address, None));
            continue;
        }
        let Some((address, signal)) = &mut network else { continue };
        let line = line.trim();
        if let Some(strength) = line.strip_prefix("signal: ") {
            *signal = hundredths(strength);
        } else if let Some(data) = line.strip_prefix("Vendor specific: OUI ff:22:cc, data:")
            && let Some(bytes) = bytes(data)
            && let Ok(beacon) = Beacon::from_values(&bytes)
            && all.len() < MOST
        {
            all.push(FoundLeader { bssid: address.clone(), signal: *signal, values: hex(&bytes), beacon });
        }
    }
    all.sort_by(|a, b| b.signal.cmp(&a.signal).then_with(|| a.bssid.cmp(&b.bssid)));
    all
}

/// `-42.00 dBm`
fn hundredths(text: &str) -> Option<i32> {
    let (whole, part) = text.split_once(' ').map_or(text, |(number, _)| number).split_once('.')?;
    let part: i32 = part.get(..2)?.parse().ok().filter(|part| (0..100).contains(part))?;
    let whole: i32 = whole.parse().ok().filter(|whole| (-1000..1000).contains(whole))?;
    Some(whole * 100 + if text.starts_with('-') { -part } else { part })
}

/// `01 40 82`
fn bytes(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &str| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten();
    text.split_whitespace().map(byte).collect()
}

/// The file by which `hostapd` spans a leader's network. It has no password: whoever enters must still show a certificate.
///
/// # Errors
/// [`WifiNameError`] in the interface, [`BeaconError`] where the beacon is too long.
pub fn hostapd_file(interface: &str, interval: u16, beacon: &Beacon, control: &str) -> Result<String, HostapdError> {
    check_interface(interface)?;
    let element = hex(&beacon.to_element()?);
    let mut file = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(
        file,
        "interface={interface}\ndriver=nl80211\nctrl_interface={control}\nssid={SSID}\nignore_broadcast_ssid=1\n\
         hw_mode=g\nchannel={CHANNEL}\nauth_algs=1\nbeacon_int={interval}\nvendor_elements={element}\n"
    );
    Ok(file)
}

/// Why there is no file for `hostapd`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostapdError {
    /// The name of the card.
    #[error(transparent)]
    Name(#[from] WifiNameError),
    /// What is to be told.
    #[error(transparent)]
    Beacon(#[from] BeaconError),
}

/// The file by which `wpa_supplicant` enters the network of a leader.
///
/// # Errors
/// [`WifiNameError::Bssid`].
pub fn supplicant_file(access_point: &str) -> Result<String, WifiNameError> {
    let access_point = bssid(access_point)?;
    Ok(format!("network={{\n\tssid=\"{SSID}\"\n\tbssid={access_point}\n\tkey_mgmt=NONE\n\tscan_ssid=1\n}}\n"))
}

/// The arguments by which `dnsmasq` gives out addresses in a leader's network, and nothing else: neither a way out nor names.
///
/// # Errors
/// [`WifiNameError::Interface`].
pub fn dnsmasq_arguments(interface: &str, pid_file: &str) -> Result<Vec<String>, WifiNameError> {
    check_interface(interface)?;
    Ok(vec![
        "--keep-in-foreground".to_owned(),
        "--conf-file=/dev/null".to_owned(),
        "--port=0".to_owned(),
        "--bind-interfaces".to_owned(),
        "--no-hosts".to_owned(),
        "--no-resolv".to_owned(),
        format!("--interface={interface}"),
        "--except-interface=lo".to_owned(),
        format!("--dhcp-range={RANGE}"),
        // Without a value: no gateway.
        "--dhcp-option=3".to_owned(),
        "--dhcp-authoritative".to_owned(),
        format!("--pid-file={pid_file}"),
    ])
}

/// The address that a card has, of what `ip -4 -o addr show dev CARD` prints.
#[must_use]
pub fn own_address(printed: &str) -> Option<std::net::Ipv4Addr> {
    let mut words = printed.lines().flat_map(str::split_whitespace).skip_while(|word| *word != "inet");
    words.nth(1)?.split('/').next()?.parse().ok()
}

/// Whether `wpa_cli status` says that the card is in a network.
#[must_use]
pub fn is_connected(printed: &str) -> bool {
    printed.lines().any(|line| line.trim() == "wpa_state=COMPLETED")
}

/// The cards that are in a leader's network, of what `hostapd_cli all_sta` prints.
#[must_use]
pub fn stations(printed: &str) -> Vec<String> {
    printed.lines().filter_map(|line| bssid(line.trim()).ok()).take(MOST).collect()
}

#[cfg(test)]
#[path = "wifi_tests.rs"]
mod tests;
