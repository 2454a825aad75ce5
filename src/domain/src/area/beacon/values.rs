//! The values of a beacon: type, length, content, one after the other.

use super::{Beacon, BeaconError, Level, Role, Service};
use crate::area::spiffe::{check_area, check_device};
use crate::time::HybridTime;

/// The bytes of a hexadecimal number in lower case with two digits for each; none for any other text.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    pairs.iter().map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty())
}

/// A text that `check` finds good.
fn text<E>(value: &[u8], check: impl Fn(&str) -> Result<(), E>) -> Option<String> {
    std::str::from_utf8(value).ok().filter(|text| check(text).is_ok()).map(str::to_owned)
}

impl Beacon {
    pub(super) fn write_values(&self, out: &mut Vec<u8>) -> Result<(), BeaconError> {
        let one = |kind: u8, value: Option<u8>| value.map(|value| (kind, vec![value]));
        let values = [
            self.leader.clone().map(|leader| (1, leader)),
            one(2, self.service.map(Service::number)),
            one(3, self.reward),
            one(4, self.urgency.map(Level::number)),
            self.term.map(|term| (5, term.to_be_bytes().to_vec())),
            self.area.clone().map(|area| (6, area.into_bytes())),
            self.port.map(|port| (7, port.to_be_bytes().to_vec())),
            self.root.map(|root| (8, root.to_vec())),
            one(9, self.role.map(Role::number)),
            self.said.map(|said| (10, said.bits().to_be_bytes().to_vec())),
            self.holds.map(|holds| (11, holds.to_be_bytes().to_vec())),
            self.name.clone().map(|name| (12, name.into_bytes())),
        ];
        for (kind, value) in values.into_iter().flatten() {
            out.extend([kind, u8::try_from(value.len()).map_err(|_| BeaconError::TooLong(value.len()))?]);
            out.extend(value);
        }
        Ok(())
    }

    /// Reads the values behind the vendor (vector G4). Of two of one type, the last counts; unknown types, and values that
    /// mean nothing, are passed over (G5).
    ///
    /// # Errors
    /// [`BeaconError::CutOff`].
    pub fn from_values(mut values: &[u8]) -> Result<Self, BeaconError> {
        let mut beacon = Self::default();
        while let [kind, rest @ ..] = values {
            let (length, rest) = rest.split_first().ok_or(BeaconError::CutOff { said: 2, there: 1 })?;
            let said = usize::from(*length);
            let (value, rest) = rest.split_at_checked(said).ok_or(BeaconError::CutOff { said, there: rest.len() })?;
            beacon.take(*kind, value);
            values = rest;
        }
        Ok(beacon)
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        let one = if let [one] = value { Some(*one) } else { None };
        let two = value.try_into().ok().map(u16::from_be_bytes);
        let eight = value.try_into().ok().map(u64::from_be_bytes);
        match kind {
            1 => self.leader = Some(value.to_owned()),
            2 => self.service = one.and_then(Service::of),
            3 => self.reward = one,
            4 => self.urgency = one.and_then(Level::of),
            5 => self.term = eight,
            6 => self.area = text(value, check_area),
            7 => self.port = two.filter(|port| *port > 0),
            8 => self.root = value.try_into().ok(),
            9 => self.role = one.and_then(Role::of),
            10 => self.said = eight.map(HybridTime::from_bits),
            11 => self.holds = two,
            12 => self.name = text(value, check_device),
            _ => {}
        }
    }
}
