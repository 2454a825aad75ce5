//! The vectors of the cluster specification (G3 to G5), and the laws of every form of a beacon.

use proptest::prelude::*;

use super::*;

const DEVICE: &str = "82562229e7978f50ad8097019a6697e3357c54bf700f3d40865cd8b0788ad271357177aaf7d0eac90ef16894a6252ccb085ef5de72a8dfb4234e8cdf2acefd25";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn values(hex: &str) -> [String; 4] {
    Beacon::from_values(&bytes(hex)).unwrap().shown().map(|(_, text)| text)
}

#[test]
fn g3_a_leader_is_told_in_80_bytes() {
    let beacon = Beacon {
        leader: Some(bytes(DEVICE)),
        service: Some(Service { level: Level::High, kind: ServiceKind::Storage }),
        reward: Some(5),
        urgency: Some(Level::Medium),
        ..Beacon::default()
    };
    let element = beacon.to_element().unwrap();
    assert_eq!(hex(&element), format!("dd4eff22cc0140{DEVICE}020101030105040102"));
    assert_eq!(element.len(), 80);
    assert_eq!(Beacon::from_element(&element), Ok(beacon));
}

#[test]
fn g4_what_is_not_said_is_not_found() {
    let shown = Beacon::from_values(&bytes("01067a65696e6562020102040101")).unwrap().shown();
    let text = |name: &'static str, text: &str| (name, text.to_owned());
    let expected = [
        text("Leader ID", "7a65696e6562"),
        text("Service type", "Medium storage"),
        text("Reward", "Not found"),
        text("Urgency level", "HIGH"),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn g5_what_is_cut_off_is_refused_and_empty_and_unknown_values_are_passed_over() {
    for cut in ["01", "0105aa", "02010102", "7f02aa"] {
        assert!(matches!(Beacon::from_values(&bytes(cut)), Err(BeaconError::CutOff { .. })), "{cut}");
    }
    let none = "Not found";
    assert_eq!(values("01000200030004007f00"), ["", none, none, none]);
    assert_eq!(values("7f03aabbcc0301077f00"), [none, none, "7EUR", none]);
    assert_eq!(values("02010a04010402020101"), [none; 4], "values that mean nothing");
    assert_eq!(values("020109"), [none, "Low processing", none, none]);
    assert_eq!(values("020104"), [none, "High bandwidth", none, none]);
}

#[test]
fn other_elements_and_too_long_ones_are_refused() {
    for foreign in ["", "dd", "dc03ff22cc", "dd0300174d", "dd02ff22"] {
        assert_eq!(Beacon::from_element(&bytes(foreign)), Err(BeaconError::Foreign), "{foreign}");
    }
    let cut = Beacon::from_element(&bytes("dd09ff22cc")).unwrap_err();
    assert_eq!(cut, BeaconError::CutOff { said: 9, there: 3 });
    let long = |length| Beacon { leader: Some(vec![0; length]), ..Beacon::default() }.to_element();
    assert_eq!(long(250).unwrap().len(), 257);
    assert_eq!((long(251), long(300)), (Err(BeaconError::TooLong(253)), Err(BeaconError::TooLong(300))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Beacon::from_element(&bytes);
        let _ = Beacon::from_values(&bytes).map(|beacon| beacon.shown());
    }

    #[test]
    fn what_is_told_is_heard(leader in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..=200)),
        service in 0u8..=10, reward: Option<u8>, urgency in 0u8..=4) {
        let beacon =
                Beacon { leader, service: Service::of(service), reward, urgency: Level::of(urgency), ..Beacon::default() };
        prop_assert_eq!(Beacon::from_element(&beacon.to_element().unwrap()), Ok(beacon));
    }

    #[test]
    fn a_datagram_and_text_records_say_the_same_as_was_told(beacon in whole()) {
        let datagram = beacon.to_datagram().unwrap();
        prop_assert!(datagram.len() <= LONGEST_DATAGRAM);
        prop_assert_eq!(Beacon::from_datagram(&datagram), Ok(beacon.clone()));
        let records = dns_sd::to_records(&beacon);
        prop_assert!(records.iter().all(|(key, value)| key.len() + value.len() < 255));
        let read = dns_sd::from_records(records.iter().map(|(key, value)| (*key, value.as_str())));
        prop_assert_eq!(read, Some(Beacon { port: None, said: None, holds: None, ..beacon }));
    }

    #[test]
    fn no_text_records_make_it_panic(records: Vec<(String, String)>, version: bool) {
        let version = version.then_some(("v", "1"));
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let _ = dns_sd::from_records(version.into_iter().chain(records));
    }
}

prop_compose! {
    fn whole()(device in "[0-9a-f]{128}|[A-Za-z0-9_-]{1,128}", service in 0u8..=10, reward: Option<u8>, urgency in 0u8..=4,
        term: Option<u64>, area in proptest::option::of("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"), port in 1u16..,
        root: Option<[u8; 32]>, role in 0u8..=5, said: Option<u64>, holds: Option<u16>) -> Beacon {
        let (service, urgency, role) = (Service::of(service), Level::of(urgency), Role::of(role));
        let said = said.map(HybridTime::from_bits);
        let port = Some(port);
        Beacon { service, reward, urgency, term, area, port, root, role, said, holds, ..Beacon::default() }.of_device(&device)
    }
}

#[test]
fn a_datagram_begins_with_vendor_and_version_and_a_whole_leader_fits_in_an_element_too() {
    let beacon = Beacon {
        term: Some(7),
        area: Some("a".repeat(63)),
        port: Some(8444),
        root: Some([0xab; 32]),
        role: Some(Role::Leader),
        said: Some(HybridTime::from_bits(1)),
        holds: Some(4),
        service: Service::of(1),
        reward: Some(5),
        urgency: Some(Level::High),
        ..Beacon::default()
    }
    .of_device(DEVICE);
    let told = Beacon { area: Some("a1".to_owned()), leader: None, root: None, ..beacon.clone() };
    let datagram = hex(&told.to_datagram().unwrap());
    let values = "02010103010504010105080000000000000007060261310702\
                  20fc0901010a0800000000000000010b020004";
    assert_eq!(datagram, format!("ff22cc01{values}"));
    assert!(beacon.to_datagram().unwrap().len() < 240 && beacon.to_element().is_ok());
    assert_eq!(Beacon::from_datagram(&bytes("ff22cc02")), Err(BeaconError::Foreign));
    assert_eq!(Beacon::from_datagram(b""), Err(BeaconError::Foreign));
    let mut long = bytes("ff22cc01");
    long.extend([0x7f, 0].repeat(300));
    assert_eq!(Beacon::from_datagram(&long), Err(BeaconError::TooLong(600)));
}

#[test]
fn values_of_ours_that_mean_nothing_are_passed_over() {
    for nothing in ["0501ff", "0602412d", "070100", "07020000", "0801ff", "090105", "0a00", "0b0100", "0c0120"] {
        assert_eq!(Beacon::from_values(&bytes(nothing)), Ok(Beacon::default()), "{nothing}");
    }
}

#[test]
fn text_records_of_another_version_or_without_a_device_are_nothing() {
    let read = |records: &[(&'static str, &'static str)]| dns_sd::from_records(records.iter().copied());
    assert_eq!(read(&[("id", "ab")]), None);
    assert_eq!(read(&[("v", "2"), ("id", "ab")]), None);
    assert_eq!(read(&[("v", "1")]), None);
    assert_eq!(read(&[("v", "1"), ("id", "a b")]), None);
    let found = read(&[("V", "1"), ("ID", "ab"), ("id", "cd"), ("term", "x"), ("fp", "00"), ("role", "king")]).unwrap();
    assert_eq!(found, Beacon::default().of_device("ab"));
}
