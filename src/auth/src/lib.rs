//! The cryptography of sign-in: password digests, API keys and session tokens.
//!
//! Nothing here does I/O but for the one file with the key of the session tokens. Time and randomness are given by the
//! caller; who may sign in, and what as, is decided by the rules in `mf2c_domain::people`.

pub mod api_key;
mod key_file;
pub mod passwords;
pub mod token;

pub use key_file::KeyFileError;
