//! Service level agreements: the constraint language, and how reports are held against what was promised. Pure: time comes in as
//! an argument, and nothing is read or written.

pub mod expression;
pub mod qos;
