//! What is configured by way of Flocker's control API: containers, the datasets that they work with, and who holds those.

pub mod container;
pub mod dataset;
pub mod lease;
