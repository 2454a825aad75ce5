//! What services, devices and their owners' policies say, read from their stored JSON in either generation of the
//! guide.
//!
//! Readers are tolerant: numbers may be texts, lists may be texts with a list in them, shares outside of 0 to 100 %
//! are brought there, and what is missing or makes no sense is none. Only a body that is no JSON object is refused.

mod device;
mod dynamic;
mod loose;
mod names;
mod owner;
mod service;

pub use device::Device;
pub use dynamic::Dynamic;
pub use owner::{SharingModel, UserProfile};
pub use service::Service;

#[cfg(test)]
mod tests;
