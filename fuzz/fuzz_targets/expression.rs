//! Any text is an expression or a clear fault, in both grammars; an expression is printed so that it reads back the
//! same, and evaluates to the same on any values.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_sla::expression::{Expression, Grammar, Scope, TimeUnit, Value};

/// Values made of bytes: each slot takes the next one, and one in eight is missing.
struct Bytes<'b>(&'b [u8]);

impl Scope for Bytes<'_> {
    fn variable(&self, slot: usize) -> Option<Value<'_>> {
        let byte = *self.0.get(slot)?;
        Some(match byte % 8 {
            0 => return None,
            1 => Value::Boolean(byte > 127),
            2 => Value::text(std::str::from_utf8(&self.0[..slot]).unwrap_or("(")),
            3 => Value::Nil,
            4 => Value::List(vec![Value::Number(1.0), Value::text("a")]),
            5 => Value::Number([f64::NAN, f64::INFINITY, -0.0, f64::MAX][usize::from(byte / 64)]),
            _ => Value::Number(f64::from(byte) - 100.0),
        })
    }

    fn call(&self, slot: usize) -> Option<f64> {
        self.0.get(slot).filter(|byte| **byte > 31).map(|byte| f64::from(*byte))
    }
}

fuzz_target!(|data: &[u8]| {
    let (text, values) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let scope = Bytes(values);
    for grammar in [Grammar::Original, Grammar::Extended] {
        if let Ok(constraint) = Expression::constraint_in(text, grammar, TimeUnit::Milliseconds) {
            let _ = constraint.holds(&scope);
            for name in constraint.variables() {
                let _ = constraint.threshold(name);
            }
        }
        match Expression::compile(text, grammar) {
            Ok(expression) => {
                let printed = expression.to_string();
                let again = Expression::compile(&printed, grammar);
                assert_eq!(again.as_ref(), Ok(&expression), "{text:?} was printed as {printed:?}");
                let values = (
                    format!("{:?}", expression.evaluate(&scope)),
                    again.map(|it| format!("{:?}", it.evaluate(&scope))),
                );
                assert_eq!(values.1, Ok(values.0), "{text:?} was printed as {printed:?}");
            }
            Err(fault) => {
                assert!(
                    fault.line > 0 && fault.column > 0 && text.is_char_boundary(fault.position),
                    "{text:?}: {fault}"
                );
                assert!(!fault.message.is_empty() && !fault.expected.is_empty(), "{text:?}: {fault:?}");
            }
        }
    }
});
