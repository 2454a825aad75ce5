//! `Discovery`: finds leaders, or children, by mDNS, by its own beacons, by lists of addresses and by Wi-Fi. What it finds are
//! hints and never trust.

use actix::prelude::*;

/// What is heard of others now.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<mf2c_domain::area::sighting::Sighting>")]
pub struct Sightings;
