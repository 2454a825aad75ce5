//! The laws of a stream: what converges, what is never exceeded, and how small it is.

mod laws;
mod model;
mod size;
