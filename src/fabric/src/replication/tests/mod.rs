//! The laws of a stream: what converges, what is never exceeded, and how small it is.

mod beside;
mod laws;
mod model;
mod size;
