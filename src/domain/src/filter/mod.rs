//! The CIMI filter language (`spec/cimi.md` 7.1 and 7.2): its tree, its text form and what it means.

mod ast;
mod error;
mod meaning;
mod parse;
mod print;
mod token;
#[cfg(test)]
mod vectors;

pub use ast::{Comparison, Filter, Literal, Op};
pub use error::FilterError;
pub use parse::{MAX_BYTES, MAX_COMPARISONS, MAX_NESTING, parse, parse_all};
