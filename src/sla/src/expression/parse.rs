//! Builds the tree from the words, one operand after the other; nothing is tried twice, and what nests is counted.

use std::collections::BTreeMap;

use super::{
    Grammar, MAX_NESTING, MAX_NODES, TimeUnit,
    fault::{Fault, shown},
    hint,
    kinds::{self, Kinds},
    node::{Call, Chain, Level, Node, Op, Pattern, Prefix, Slot, pattern},
    original,
    token::{self, Lexeme, Token},
};

pub(super) const AN_OPERAND: &str = "a variable, a number, a text or `(`";
pub(super) const AN_OPERATOR: &str = "an operator such as `<` or `&&`, or the end";
/// How deep the tree gets at most: each pair of parentheses may hold several levels of operators.
const MAX_DEPTH: usize = 256;

/// A read expression, before it is shared.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) variables: Vec<Box<str>>,
    pub(super) calls: Vec<Call>,
}

/// How a text is to be read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'k> {
    pub(super) grammar: Grammar,
    pub(super) unit: TimeUnit,
    /// Whether it must be able to be true or false.
    pub(super) constraint: bool,
    /// Which variables are texts, where that is known; all others are numbers then.
    pub(super) texts: Option<&'k dyn Fn(&str) -> bool>,
}

/// Reads `text`.
pub(super) fn parse(text: &str, reading: Reading<'_>) -> Result<Parsed, Fault> {
    let tokens = token::read(text, reading.grammar)?;
    if reading.grammar == Grammar::Original {
        original::check(text, &tokens)?;
    }
    let mut parser = Parser {
        text,
        tokens,
        next: 0,
        reading,
        variables: Vec::new(),
        slots: BTreeMap::new(),
        calls: Vec::new(),
        nesting: 0,
        depth: 0,
        nodes: 0,
    };
    let whole = parser.list()?;
    // The original ignores what follows a finished expression, as in `(m < 10) 5`.
    if reading.grammar == Grammar::Extended && parser.next < parser.tokens.len() {
        return Err(parser.no_operator());
    }
    if reading.constraint {
        parser.must_be_condition(&whole)?;
    }
    Ok(Parsed { root: whole.node, variables: parser.variables, calls: parser.calls })
}

/// A part of the tree, what it can yield, and where it begins in the text.
pub(super) struct Operand {
    pub(super) node: Node,
    pub(super) kinds: Kinds,
    pub(super) at: usize,
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    pub(super) reading: Reading<'t>,
    pub(super) variables: Vec<Box<str>>,
    slots: BTreeMap<Box<str>, u16>,
    pub(super) calls: Vec<Call>,
    nesting: usize,
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn extended(&self) -> bool {
        self.reading.grammar == Grammar::Extended
    }

    pub(super) fn peek(&self) -> Option<&Lexeme> {
        self.tokens.get(self.next).map(|token| &token.lexeme)
    }

    /// Where the next word stands.
    pub(super) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |token| token.at)
    }

    pub(super) fn advance(&mut self) -> Option<Token> {
        let token = self.tokens.get_mut(self.next)?;
        self.next += 1;
        Some(Token { lexeme: std::mem::replace(&mut token.lexeme, Lexeme::Comma), ..*token })
    }

    fn is_word(&self, ahead: usize, words: [&str; 2]) -> bool {
        let token = self.tokens.get(self.next + ahead);
        matches!(token.map(|token| &token.lexeme), Some(Lexeme::Name { name, bare: true }) if words.contains(&&**name))
    }

    pub(super) fn fault(&self, at: usize, message: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault::new(self.text, at, message, expected)
    }

    /// What stands next is not what should.
    pub(super) fn unexpected(&self, expected: &str) -> Fault {
        match self.tokens.get(self.next) {
            Some(token) => {
                let found = self.text.get(token.at..token.end).unwrap_or("");
                self.fault(token.at, format!("unexpected {}", shown(found)), expected)
            }
            None => self.fault(self.text.len(), "Unexpected end of expression", expected),
        }
    }

    fn no_operator(&self) -> Fault {
        let fault = self.unexpected(AN_OPERATOR);
        match self.peek() {
            Some(Lexeme::Close) => fault.hint("there is no `(` to it"),
            Some(Lexeme::Name { name, bare: true }) if hint::word(name).is_some() => fault.hinted(hint::word(name)),
            _ => fault.hint("join conditions with `&&` or `||`"),
        }
    }

    fn enter(&mut self, at: usize) -> Result<(), Fault> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.fault(at, "the expression nests too deep", format!("at most {MAX_NESTING} levels")));
        }
        Ok(())
    }

    fn count(&mut self, at: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.fault(at, "the expression is too long", format!("at most {MAX_NODES} operands")));
        }
        Ok(())
    }

    /// Operands between commas.
    fn list(&mut self) -> Result<Operand, Fault> {
        let first = self.level(Level::Ternary)?;
        if !matches!(self.peek(), Some(Lexeme::Comma)) {
            return Ok(first);
        }
        let at = first.at;
        let mut items = vec![first.node];
        while matches!(self.peek(), Some(Lexeme::Comma)) {
            self.advance();
            items.push(self.level(Level::Ternary)?.node);
        }
        Ok(Operand { node: Node::List(items.into()), kinds: Kinds::LIST, at })
    }

    /// Operands joined by operators of `loosest` and tighter levels.
    fn level(&mut self, loosest: Level) -> Result<Operand, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(self.at(), "the expression nests too deep", format!("at most {MAX_DEPTH} levels")));
        }
        let mut left = self.operand()?;
        while let Some((op, negated)) = self.operator(loosest)? {
            let at = self.at();
            if matches!(op, Joint::Is) {
                left = self.is_missing(left)?;
                continue;
            }
            let Joint::Op(op) = op else { continue };
            self.advance();
            if negated {
                self.advance();
            }
            self.count(at)?;
            self.literal_pattern(op)?;
            let right = self.level(op.level().tighter())?;
            left = self.join(left, op, at, right)?;
            if negated {
                left = Operand { node: Node::Prefix(Prefix::Not, Box::new(left.node)), ..left };
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator that stands next, if it is no looser than `loosest`.
    fn operator(&self, loosest: Level) -> Result<Option<(Joint, bool)>, Fault> {
        let joint = match self.peek() {
            Some(Lexeme::Op(op)) => (Joint::Op(*op), false),
            Some(Lexeme::Name { name, bare: true }) if self.extended() => match &**name {
                "and" | "AND" => (Joint::Op(Op::And), false),
                "or" | "OR" => (Joint::Op(Op::Or), false),
                "is" | "IS" => (Joint::Is, false),
                "not" | "NOT" => match self.tokens.get(self.next + 1).map(|token| &token.lexeme) {
                    Some(Lexeme::Op(Op::In)) => (Joint::Op(Op::In), true),
                    _ => return Err(self.no_operator()),
                },
                _ => return Err(self.no_operator()),
            },
            _ => return Ok(None),
        };
        let level = match joint.0 {
            Joint::Op(op) => op.level(),
            Joint::Is => Level::Comparison,
        };
        Ok((level >= loosest).then_some(joint))
    }

    fn join(&mut self, left: Operand, op: Op, at: usize, right: Operand) -> Result<Operand, Fault> {
        if op == Op::Else && self.extended() && questions(&left.node) == 0 {
            return Err(self.fault(at, "`:` without `?`", "a condition and `?` before it"));
        }
        if op == Op::If && self.reading.constraint && open_question(&left.node) {
            let fault = self.fault(at, "the first `?` has no `:` yet", "`:` before another `?`");
            return Err(fault.hint("put the inner `? :` in parentheses"));
        }
        self.in_list(&left, op, &right)?;
        let kinds = match kinds::binary(op, left.kinds, right.kinds, self.reading.texts.is_some()) {
            Ok(kinds) => kinds,
            Err(misfit) if self.reading.constraint => return Err(self.misfit(misfit, &left, op, &right)),
            Err(_) => Kinds::ANY,
        };
        let mut right_node = right.node;
        if matches!(op, Op::Matches | Op::MatchesNot)
            && let Node::Text(text) = &right_node
        {
            match pattern(text) {
                Ok(regex) => right_node = Node::Pattern(Box::new(Pattern { text: text.clone(), regex })),
                Err(reason) if self.extended() => return Err(self.bad_pattern(right.at, &reason)),
                Err(_) => {}
            }
        }
        let node = match left.node {
            // Parentheses around the left side make a chain of its own, which `join` is told by `sealed`.
            Node::Chain(mut chain)
                if !chain.sealed && chain.rest.first().is_some_and(|(o, _)| o.level() == op.level()) =>
            {
                chain.rest.push((op, right_node));
                Node::Chain(chain)
            }
            first => Node::Chain(Box::new(Chain { first, rest: vec![(op, right_node)], sealed: false })),
        };
        Ok(Operand { node, kinds, at: left.at })
    }

    fn bad_pattern(&self, at: usize, reason: &str) -> Fault {
        self.fault(at, format!("error parsing regexp: {reason}"), "a regular expression")
            .hint("a `\\` that belongs to the pattern is written twice")
    }

    /// As in the original, a text right behind `=~` must be a pattern whatever follows it.
    fn literal_pattern(&self, op: Op) -> Result<(), Fault> {
        match self.peek() {
            Some(Lexeme::Text(text)) if matches!(op, Op::Matches | Op::MatchesNot) => {
                pattern(text).map(drop).map_err(|reason| self.bad_pattern(self.at(), &reason))
            }
            _ => Ok(()),
        }
    }

    fn operand(&mut self) -> Result<Operand, Fault> {
        let at = self.at();
        // Parentheses are no operand of their own.
        if !matches!(self.peek(), Some(Lexeme::Open)) {
            self.count(at)?;
        }
        let plain = |node, kinds| Ok(Operand { node, kinds, at });
        if self.extended() && self.is_word(0, ["not", "NOT"]) && self.begins_operand(1) {
            self.advance();
            // It is printed as `!(…)`, which nests twice.
            self.enter(at)?;
            let operand = self.prefixed(Prefix::Not, at, Level::Comparison)?;
            self.nesting -= 1;
            return Ok(operand);
        }
        match self.peek() {
            // An operand that the original lets be left out.
            Some(Lexeme::Close) if !self.extended() => return plain(Node::Nothing, Kinds::NIL),
            Some(Lexeme::Comma) if !self.extended() => {
                let message = "Unable to plan token kind: 'SEPARATOR', value: ','";
                return Err(self.fault(at, message, AN_OPERAND));
            }
            None if !self.extended() => return plain(Node::Nothing, Kinds::NIL),
            None | Some(Lexeme::Close | Lexeme::Comma) => return Err(self.unexpected(AN_OPERAND)),
            Some(Lexeme::Op(op)) if *op != Op::Subtract => return Err(self.unexpected(AN_OPERAND)),
            _ => {}
        }
        let Some(token) = self.advance() else { return Err(self.unexpected(AN_OPERAND)) };
        match token.lexeme {
            Lexeme::Number(value, None) => plain(Node::number(value), Kinds::NUMBER),
            Lexeme::Number(value, Some(unit)) => {
                let converted = unit.convert(value, self.reading.unit);
                if !converted.is_finite() {
                    return Err(self.fault(at, "the number is too large", "a smaller one"));
                }
                plain(Node::Number { value: converted, written: Some((value, unit)) }, Kinds::NUMBER)
            }
            Lexeme::Text(text) => plain(Node::Text(text), Kinds::TEXT),
            Lexeme::Date(seconds, text) => plain(Node::Date { seconds: seconds as f64, text }, Kinds::NUMBER),
            Lexeme::Boolean(boolean) => plain(Node::Boolean(boolean), Kinds::BOOLEAN),
            Lexeme::Name { name, bare } if self.extended() && matches!(self.peek(), Some(Lexeme::Open)) => {
                self.call(at, &name, bare)
            }
            Lexeme::Name { name, .. } => {
                let kinds = self.kinds_of(&name);
                plain(Node::Value(Slot::Variable(self.slot(name))), kinds)
            }
            Lexeme::Prefix(prefix) => self.prefixed(prefix, at, Level::Prefix),
            Lexeme::Op(_) => self.prefixed(Prefix::Negate, at, Level::Prefix),
            Lexeme::Open => self.parenthesised(at),
            Lexeme::Close | Lexeme::Comma => Err(self.unexpected(AN_OPERAND)),
        }
    }

    /// Whether a word `ahead` begins an operand, so that a `not` before it is no name.
    fn begins_operand(&self, ahead: usize) -> bool {
        let next = self.tokens.get(self.next + ahead).map(|token| &token.lexeme);
        match next {
            Some(Lexeme::Name { bare: true, .. }) => {
                !["and", "AND", "or", "OR", "is", "IS"].chunks(2).any(|pair| self.is_word(ahead, [pair[0], pair[1]]))
            }
            Some(Lexeme::Op(_) | Lexeme::Close | Lexeme::Comma) | None => false,
            Some(_) => true,
        }
    }

    fn prefixed(&mut self, prefix: Prefix, at: usize, reach: Level) -> Result<Operand, Fault> {
        self.enter(at)?;
        let operand = if reach == Level::Prefix { self.operand()? } else { self.level(reach)? };
        self.nesting -= 1;
        let kinds = match kinds::prefixed(prefix, operand.kinds) {
            Ok(kinds) => kinds,
            Err(expected) if self.reading.constraint => {
                let message = format!("the operand of `{}` is {}", prefix.symbol(), operand.kinds.named());
                return Err(self.fault(operand.at, message, expected));
            }
            Err(_) => Kinds::ANY,
        };
        Ok(Operand { node: Node::Prefix(prefix, Box::new(operand.node)), kinds, at })
    }

    fn parenthesised(&mut self, at: usize) -> Result<Operand, Fault> {
        // A text or nothing in parentheses nests nothing: so it is printed where the original needs them.
        let alone = matches!(self.peek(), Some(Lexeme::Text(_) | Lexeme::Date(..)));
        if alone && matches!(self.tokens.get(self.next + 1).map(|token| &token.lexeme), Some(Lexeme::Close)) {
            let inner = self.operand()?;
            self.advance();
            return Ok(inner);
        }
        if !self.extended() && matches!(self.peek(), Some(Lexeme::Close)) {
            let nothing = self.operand()?;
            self.advance();
            return Ok(nothing);
        }
        self.enter(at)?;
        let mut inner = self.list()?;
        self.nesting -= 1;
        if self.extended() && !matches!(self.peek(), Some(Lexeme::Close)) {
            return Err(match self.peek() {
                None => self.fault(at, "`(` is never closed", "a `)` for every `(`"),
                Some(_) => self.no_operator(),
            });
        }
        // The original takes whatever stands here for the parenthesis.
        self.advance();
        if let Node::Chain(chain) = &mut inner.node {
            chain.sealed = true;
        }
        Ok(Operand { at, ..inner })
    }

    /// `is missing` and `is not missing` behind a variable or a call.
    fn is_missing(&mut self, left: Operand) -> Result<Operand, Fault> {
        self.advance();
        let negated = self.is_word(0, ["not", "NOT"]);
        if negated {
            self.advance();
        }
        if !self.is_word(0, ["missing", "MISSING"]) {
            return Err(self.unexpected("`missing` or `not missing`").hint("compare values with `==`"));
        }
        let Node::Value(slot) = left.node else {
            let message = "only a variable or a function can be missing";
            return Err(self.fault(left.at, message, "a variable before `is missing`"));
        };
        self.advance();
        let missing = Node::Missing(slot);
        let node = if negated { Node::Prefix(Prefix::Not, Box::new(missing)) } else { missing };
        Ok(Operand { node, kinds: Kinds::BOOLEAN, at: left.at })
    }

    fn slot(&mut self, name: Box<str>) -> u16 {
        if let Some(slot) = self.slots.get(&name) {
            return *slot;
        }
        // At most MAX_NODES of them.
        let slot = u16::try_from(self.variables.len()).unwrap_or(u16::MAX);
        self.variables.push(name.clone());
        self.slots.insert(name, slot);
        slot
    }

    fn call(&mut self, at: usize, name: &str, bare: bool) -> Result<Operand, Fault> {
        let slot = super::call::read(self, at, name, bare)?;
        Ok(Operand { node: Node::Value(Slot::Call(slot)), kinds: Kinds::NUMBER, at })
    }
}

/// How many `?` of a chain wait for their `:`.
fn questions(node: &Node) -> usize {
    let Node::Chain(chain) = node else { return 0 };
    let count = |wanted: Op| chain.rest.iter().filter(|(op, _)| *op == wanted).count();
    if chain.sealed { 0 } else { count(Op::If).saturating_sub(count(Op::Else)) }
}

enum Joint {
    Op(Op),
    Is,
}

/// Whether the last operator of a chain is a `?` that waits for its `:`.
pub(super) fn open_question(node: &Node) -> bool {
    matches!(node, Node::Chain(chain) if chain.rest.last().is_some_and(|(op, _)| *op == Op::If))
}
