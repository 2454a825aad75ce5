//! Tests of the language as a whole: the vectors, what the extended grammar adds, faults, laws and bounds.

mod bounds;
mod extended;
mod faults;
mod laws;
mod vectors;

use std::time::Duration;

use super::{Call, EvaluationError, Expression, Fault, Function, Grammar, Scope, TimeUnit, Value, Verdict};

/// Values by name, in the order of an expression's slots.
struct Values<'v> {
    variables: Vec<Option<Value<'v>>>,
    calls: Vec<Option<f64>>,
}

impl<'v> Values<'v> {
    fn of(expression: &Expression, named: &[(&str, Value<'v>)]) -> Self {
        let value = |name: &str| named.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        Self { variables: expression.variables().iter().map(|name| value(name)).collect(), calls: Vec::new() }
    }
}

impl Scope for Values<'_> {
    fn variable(&self, slot: usize) -> Option<Value<'_>> {
        self.variables.get(slot).cloned().flatten()
    }

    fn call(&self, slot: usize) -> Option<f64> {
        self.calls.get(slot).copied().flatten()
    }
}

fn value(text: &str, grammar: Grammar, named: &[(&str, Value<'_>)]) -> Result<Value<'static>, EvaluationError> {
    let expression = Expression::compile(text, grammar).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let scope = Values::of(&expression, named);
    expression.evaluate(&scope).map(owned)
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Number(number) => Value::Number(number),
        Value::Boolean(boolean) => Value::Boolean(boolean),
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Nil => Value::Nil,
        Value::List(values) => Value::List(values.into_iter().map(owned).collect()),
    }
}

fn verdict(text: &str, named: &[(&str, Value<'_>)]) -> Verdict {
    let expression = Expression::constraint(text, Grammar::Extended).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    expression.holds(&Values::of(&expression, named)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> Fault {
    match Expression::constraint(text, Grammar::Extended) {
        Err(fault) => fault,
        Ok(expression) => panic!("{text:?} was taken for {expression}"),
    }
}
