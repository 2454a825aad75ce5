//! `Categoriser`: keeps the documents that tell of the area as a whole: `area-member`, `fog-area`, `agent.childrenIPs` and the
//! status of devices, from the change feed and the links, never by scanning.

pub use crate::leadership::{LinkClosed, LinkOpened};
