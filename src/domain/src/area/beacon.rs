//! The beacon of a leader, as the original put it into the vendor element of a Wi-Fi network (IEEE 802.11, 9.4.2.25):
//! `dd`, a length, `ff 22 cc`, then values as type, length, content. Whoever hears one knows nothing for sure: it is a hint.

use std::fmt;

use thiserror::Error;

use super::token::hex;

/// The element's number, for what vendors define.
const VENDOR: u8 = 0xdd;
/// Which vendor: the original's own choice.
const OWNER: [u8; 3] = [0xff, 0x22, 0xcc];
/// The most bytes of values: an element has at most 255.
const MOST: usize = 255 - OWNER.len();

/// What a leader says of itself. What is not said, or not in a way that is known, is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beacon {
    /// The bytes of its `deviceID`.
    pub leader: Option<Vec<u8>>,
    /// What it offers.
    pub service: Option<Service>,
    /// What it pays, in EUR.
    pub reward: Option<u8>,
    /// How much it wants somebody to come.
    pub urgency: Option<Level>,
}

/// What a leader offers, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// How much.
    pub level: Level,
    /// Of what.
    pub kind: ServiceKind,
}

/// What a leader offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Disks.
    Storage,
    /// Network.
    Bandwidth,
    /// Processors.
    Processing,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Much.
    High,
    /// Some.
    Medium,
    /// Little.
    Low,
}

/// Why bytes are no beacon, or a beacon has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BeaconError {
    /// Another element, or another vendor's.
    #[error("this is no beacon: expected an element that begins with dd, its length, and ff22cc")]
    Foreign,
    /// Something is longer than what is there.
    #[error("the beacon is cut off: its length says {said} bytes, {there} are there")]
    CutOff {
        /// Bytes that were announced.
        said: usize,
        /// Bytes that are there.
        there: usize,
    },
    /// Too much for one element.
    #[error("the beacon has {0} bytes of values, expected at most {MOST}: shorten the identifier of the leader")]
    TooLong(usize),
}

impl Beacon {
    /// The whole element (vector G3).
    ///
    /// # Errors
    /// [`BeaconError::TooLong`].
    pub fn to_element(&self) -> Result<Vec<u8>, BeaconError> {
        let one = |kind: u8, value: Option<u8>| value.map(|value| (kind, vec![value]));
        let values = [
            self.leader.clone().map(|leader| (1, leader)),
            one(2, self.service.map(Service::number)),
            one(3, self.reward),
            one(4, self.urgency.map(Level::number)),
        ];
        let mut out = vec![VENDOR, 0];
        out.extend(OWNER);
        for (kind, value) in values.into_iter().flatten() {
            out.extend([kind, u8::try_from(value.len()).map_err(|_| BeaconError::TooLong(value.len()))?]);
            out.extend(value);
        }
        let length = out.len() - 2;
        let byte = u8::try_from(length).map_err(|_| BeaconError::TooLong(length - OWNER.len()))?;
        if let Some(place) = out.get_mut(1) {
            *place = byte;
        }
        Ok(out)
    }

    /// Reads a whole element; what follows it is not looked at.
    ///
    /// # Errors
    /// [`BeaconError::Foreign`], [`BeaconError::CutOff`].
    pub fn from_element(element: &[u8]) -> Result<Self, BeaconError> {
        let [VENDOR, length, rest @ ..] = element else { return Err(BeaconError::Foreign) };
        let said = usize::from(*length);
        let content = rest.get(..said).ok_or(BeaconError::CutOff { said, there: rest.len() })?;
        Self::from_values(content.strip_prefix(&OWNER).ok_or(BeaconError::Foreign)?)
    }

    /// Reads the values behind the vendor (vector G4). Of two of one type, the last counts; unknown types are passed over
    /// (G5).
    ///
    /// # Errors
    /// [`BeaconError::CutOff`].
    pub fn from_values(mut values: &[u8]) -> Result<Self, BeaconError> {
        let mut beacon = Self::default();
        while let [kind, rest @ ..] = values {
            let (length, rest) = rest.split_first().ok_or(BeaconError::CutOff { said: 2, there: 1 })?;
            let said = usize::from(*length);
            let (value, rest) = rest.split_at_checked(said).ok_or(BeaconError::CutOff { said, there: rest.len() })?;
            let one = if let [one] = value { Some(*one) } else { None };
            match kind {
                1 => beacon.leader = Some(value.to_owned()),
                2 => beacon.service = one.and_then(Service::of),
                3 => beacon.reward = one,
                4 => beacon.urgency = one.and_then(Level::of),
                _ => {}
            }
            values = rest;
        }
        Ok(beacon)
    }

    /// What the original's scan showed of it, by the names that stood there.
    #[must_use]
    pub fn shown(&self) -> [(&'static str, String); 4] {
        let text = |text: Option<String>| text.unwrap_or_else(|| "Not found".to_owned());
        [
            ("Leader ID", text(self.leader.as_deref().map(hex))),
            ("Service type", text(self.service.map(|service| service.to_string()))),
            ("Reward", text(self.reward.map(|reward| format!("{reward}EUR")))),
            ("Urgency level", text(self.urgency.map(|urgency| format!("{urgency:?}").to_uppercase()))),
        ]
    }
}

impl Level {
    fn number(self) -> u8 {
        match self {
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::High, Self::Medium, Self::Low].into_iter().find(|level| level.number() == number)
    }
}

impl Service {
    fn number(self) -> u8 {
        let kind = match self.kind {
            ServiceKind::Storage => 0,
            ServiceKind::Bandwidth => 3,
            ServiceKind::Processing => 6,
        };
        kind + self.level.number()
    }

    fn of(number: u8) -> Option<Self> {
        let kind = match number {
            1..=3 => ServiceKind::Storage,
            4..=6 => ServiceKind::Bandwidth,
            7..=9 => ServiceKind::Processing,
            _ => return None,
        };
        Some(Self { level: Level::of((number - 1) % 3 + 1)?, kind })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.level, format!("{:?}", self.kind).to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEVICE: &str = "82562229e7978f50ad8097019a6697e3357c54bf700f3d40865cd8b0788ad271357177aaf7d0eac90ef16894a6252ccb085ef5de72a8dfb4234e8cdf2acefd25";

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
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
            let beacon = Beacon { leader, service: Service::of(service), reward, urgency: Level::of(urgency) };
            prop_assert_eq!(Beacon::from_element(&beacon.to_element().unwrap()), Ok(beacon));
        }
    }
}
