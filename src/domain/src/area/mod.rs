//! Areas and who belongs to them: names in certificates, join tokens, when to renew. Pure; the cryptography is in `mf2c-pki`.

pub mod aggregate;
pub mod beacon;
pub mod presence;
pub mod renewal;
pub mod role;
pub mod sighting;
pub mod spiffe;
pub mod standing;
pub mod token;
pub mod upkeep;
