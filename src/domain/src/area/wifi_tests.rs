//! Texts as the programs print them, written here after their manuals: no such card was at hand.

use proptest::prelude::*;

use super::*;
use crate::area::beacon::{Level, Service, ServiceKind};

const SCAN: &str = "\
BSS 02:00:00:00:02:00(on wlan0)
\tlast seen: 4512.221s [boottime]
\tTSF: 1592150902 usec (0d, 00:26:32)
\tfreq: 2437
\tbeacon interval: 100 TUs
\tcapability: ESS ShortSlotTime (0x0401)
\tsignal: -71.50 dBm
\tSSID: \\x00\\x00\\x00
\tSupported rates: 1.0* 2.0* 5.5* 11.0*
\tVendor specific: OUI 00:50:f2, data: 02 01 01 00
\tVendor specific: OUI ff:22:cc, data: 01 02 ab cd 02 01 02 03 01 05 04 01 01
BSS 02:00:00:00:03:00(on wlan0)
\tsignal: -30.00 dBm
\tSSID: somebody's
BSS 02:00:00:00:01:0A(on wlan0) -- associated
\tsignal: -42.00 dBm
\tSSID: mf2c-leader
\tVendor specific: OUI ff:22:cc, data: 01 01 ef
BSS 02:00:00:00:04:00(on wlan0)
\tVendor specific: OUI ff:22:cc, data: 01 09 ef
BSS nonsense
\tVendor specific: OUI ff:22:cc, data: 01 01 ee
";

#[test]
fn leaders_are_found_among_networks_and_the_strongest_comes_first() {
    let leaders = found(SCAN);
    let shown: Vec<(&str, Option<i32>, &str)> =
        leaders.iter().map(|leader| (leader.bssid.as_str(), leader.signal, leader.values.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("02:00:00:00:01:0a", Some(-4200), "0101ef"),
            ("02:00:00:00:02:00", Some(-7150), "0102abcd020102030105040101"),
        ]
    );
    assert_eq!(leaders[1].beacon.device().as_deref(), Some("abcd"));
    assert_eq!(leaders[1].beacon.service, Some(Service { level: Level::Medium, kind: ServiceKind::Storage }));
}

#[test]
fn names_that_could_be_options_or_paths_are_refused() {
    for good in ["wlan0", "wlp3s0", "ap-0.1", "abcdefghijklmno"] {
        assert_eq!(check_interface(good), Ok(()), "{good}");
    }
    for bad in ["", "-i", ".", "..", "../x", "wlan0;reboot", "wlan 0", "wlan0\n", "abcdefghijklmnop", "wlän0", "$(id)"]
    {
        assert!(check_interface(bad).is_err(), "{bad}");
    }
    assert_eq!(bssid("02:00:00:00:01:0A").as_deref(), Ok("02:00:00:00:01:0a"));
    for bad in
        ["", "02:00:00:00:01", "02:00:00:00:01:0a:0b", "02-00-00-00-01-0a", "02:00:00:00:01:zz", "2:000:00:00:01:0a"]
    {
        assert!(bssid(bad).is_err(), "{bad}");
    }
    assert_eq!((interval("100"), interval("15"), interval("65534")), (Ok(100), Ok(15), Ok(65534)));
    for bad in ["14", "65535", "", "1e3", "-100"] {
        assert!(interval(bad).is_err(), "{bad}");
    }
}

#[test]
fn files_and_arguments_hold_what_the_original_had() {
    let beacon = Beacon { reward: Some(5), ..Beacon::default() }.of_device("abcd");
    let file = hostapd_file("wlan0", 100, &beacon, "/run/mf2c/hostapd").unwrap();
    for line in [
        "interface=wlan0",
        "ssid=mf2c-leader",
        "ignore_broadcast_ssid=1",
        "channel=6",
        "hw_mode=g",
        "auth_algs=1",
        "beacon_int=100",
        "vendor_elements=dd0aff22cc0102abcd030105",
    ] {
        assert!(file.lines().any(|written| written == line), "{line}: {file}");
    }
    assert!(!file.contains("wpa"));
    assert!(hostapd_file("wlan0\nwpa=2", 100, &beacon, "/run").is_err());
    let file = supplicant_file("02:00:00:00:01:0A").unwrap();
    assert!(
        file.contains("\tbssid=02:00:00:00:01:0a\n") && file.contains("key_mgmt=NONE") && file.contains("scan_ssid=1")
    );
    assert!(supplicant_file("02:00:00:00:01:0a\n}").is_err());
    let arguments = dnsmasq_arguments("wlan0", "/run/d.pid").unwrap();
    assert!(arguments.contains(&"--dhcp-range=192.168.7.20,192.168.7.254,255.255.255.0,12h".to_owned()));
}

#[test]
fn what_the_other_programs_print_is_read() {
    let printed =
        "3: wlan0    inet 192.168.7.23/24 brd 192.168.7.255 scope global dynamic wlan0\\       valid_lft 43000sec";
    assert_eq!(own_address(printed), Some([192, 168, 7, 23].into()));
    assert_eq!((own_address(""), own_address("inet"), own_address("inet x/24")), (None, None, None));
    assert!(is_connected("bssid=02:00:00:00:01:00\nwpa_state=COMPLETED\n") && !is_connected("wpa_state=SCANNING"));
    assert_eq!(
        stations("02:00:00:00:09:00\nflags=[AUTH]\nx=y\n02:00:00:00:0A:00\n"),
        ["02:00:00:00:09:00", "02:00:00:00:0a:00"]
    );
}

proptest! {
    #[test]
    fn nothing_that_is_printed_makes_it_panic(text in "\\PC*", line in "[-0-9. dBm]{0,12}", data in "[0-9a-f ]{0,40}") {
        let scan = format!("BSS 02:00:00:00:02:00(on w)\n\tsignal: {line}\n\tVendor specific: OUI ff:22:cc, data:{data}\n{text}");
        let _ = (found(&text), found(&scan), own_address(&text), stations(&text), is_connected(&text));
    }
}
