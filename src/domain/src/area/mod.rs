//! Areas and who belongs to them: names in certificates, join tokens, when to renew. Pure; the cryptography is in `mf2c-pki`.

pub mod addresses;
pub mod aggregate;
pub mod beacon;
pub mod choice;
pub mod gate;
pub mod name;
pub mod presence;
pub mod renewal;
pub mod role;
pub mod search;
pub mod sighting;
pub mod sightings;
pub mod spiffe;
pub mod standing;
pub mod token;
pub mod upkeep;
pub mod wifi;
