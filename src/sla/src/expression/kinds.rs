//! Which kinds of values an expression can yield, so that one that can never hold is refused when it is written.

use super::node::{Op, Prefix};

/// A set of kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NUMBER: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const TEXT: Self = Self(4);
    pub(super) const NIL: Self = Self(8);
    pub(super) const LIST: Self = Self(16);
    pub(super) const ANY: Self = Self(31);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn can_be(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What such a value is called where it does not fit.
    pub(super) fn named(self) -> &'static str {
        match self {
            Self::NUMBER => "a number",
            Self::BOOLEAN => "a condition",
            Self::TEXT => "a text",
            Self::NIL => "nothing",
            Self::LIST => "a list",
            _ => "of another kind",
        }
    }

    /// What such a value is called where it is wanted.
    pub(super) fn wanted(self) -> &'static str {
        match self.named() {
            "of another kind" => "a value of the kind of the other side",
            named => named,
        }
    }
}

/// Which side does not fit, and what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    Left(&'static str),
    Right(&'static str),
}

/// What `left op right` can yield. Where the kinds of all variables are `known`, values that can never be equal are not compared.
pub(super) fn binary(op: Op, left: Kinds, right: Kinds, known: bool) -> Result<Kinds, Misfit> {
    let both = |wanted: Kinds, expected, yields| {
        if !left.can_be(wanted) {
            Err(Misfit::Left(expected))
        } else if right.can_be(wanted) {
            Ok(yields)
        } else {
            Err(Misfit::Right(expected))
        }
    };
    let ordered = Kinds::NUMBER.or(Kinds::TEXT);
    match op {
        Op::Eq | Op::Ne if known && !left.can_be(right) => Err(Misfit::Right(left.wanted())),
        Op::Eq | Op::Ne => Ok(Kinds::BOOLEAN),
        Op::Or | Op::And => both(Kinds::BOOLEAN, "a condition", Kinds::BOOLEAN),
        Op::Lt | Op::Le | Op::Gt | Op::Ge if left.can_be(ordered) && right.can_be(ordered) => {
            let fits = left.and(right).can_be(ordered);
            let expected = if left.can_be(Kinds::NUMBER) { "a number" } else { "a text" };
            if fits { Ok(Kinds::BOOLEAN) } else { Err(Misfit::Right(expected)) }
        }
        Op::Lt | Op::Le | Op::Gt | Op::Ge => both(ordered, "a number", Kinds::BOOLEAN),
        Op::Matches | Op::MatchesNot => both(Kinds::TEXT, "a text", Kinds::BOOLEAN),
        Op::In if right.can_be(Kinds::LIST) => Ok(Kinds::BOOLEAN),
        Op::In => Err(Misfit::Right("a list of at least two, such as `('a', 'b')`")),
        Op::If if left.can_be(Kinds::BOOLEAN) => Ok(right.or(Kinds::NIL)),
        Op::If => Err(Misfit::Left("a condition")),
        Op::Else | Op::Coalesce if left.can_be(Kinds::NIL) => Ok(left.without(Kinds::NIL).or(right)),
        Op::Else | Op::Coalesce => Ok(left),
        Op::Add if left.or(right).can_be(Kinds::TEXT) => {
            let sum = left.and(right).and(Kinds::NUMBER);
            Ok(Kinds::TEXT.or(sum))
        }
        _ => both(Kinds::NUMBER, "a number", Kinds::NUMBER),
    }
}

/// What a prefix yields, or what its operand should have been.
pub(super) fn prefixed(prefix: Prefix, operand: Kinds) -> Result<Kinds, &'static str> {
    let (wanted, expected) = match prefix {
        Prefix::Not => (Kinds::BOOLEAN, "a condition"),
        Prefix::Negate | Prefix::Complement => (Kinds::NUMBER, "a number"),
    };
    if operand.can_be(wanted) { Ok(wanted) } else { Err(expected) }
}
