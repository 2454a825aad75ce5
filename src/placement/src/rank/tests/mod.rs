//! Each filter at its edges, each term of a score, and the laws of ranking.

mod filters;
mod laws;
mod scores;
