//! Functions over windows, such as `p95(execution_time, 5m)`.

use std::time::Duration;

use super::{
    fault::{Fault, shown},
    hint,
    node::{Call, Function, TimeUnit},
    parse::Parser,
    token::Lexeme,
};

const A_WINDOW: &str = "a window such as `300` (seconds), `5m` or `1h`";
/// The longest window, in milliseconds: a year and a day.
const LONGEST_WINDOW: f64 = 367.0 * 86_400_000.0;

/// Reads the arguments of the function `name`, which stands at `at`, and gives the slot of the call.
pub(super) fn read(parser: &mut Parser<'_>, at: usize, name: &str, bare: bool) -> Result<u16, Fault> {
    let Some(function) = Function::named(name).filter(|_| bare) else {
        let expected = "`avg`, `sum`, `min`, `max`, `last`, `count`, `rate`, `ratio` or a percentile such as `p95`";
        let fault = parser.fault(at, format!("there is no function {}", shown(name)), expected);
        return Err(fault.hinted(hint::function(name)));
    };
    parser.advance();
    let Some(Lexeme::Name { .. }) = parser.peek() else {
        return Err(parser.unexpected("the name of a variable"));
    };
    let variable_at = parser.at();
    let Some(Lexeme::Name { name: variable, .. }) = parser.advance().map(|token| token.lexeme) else {
        return Err(parser.unexpected("the name of a variable"));
    };
    parser.must_be_number(variable_at, &variable)?;
    match parser.peek() {
        Some(Lexeme::Comma) => parser.advance(),
        Some(Lexeme::Close) => {
            let hint = format!("write `{name}({variable}, 300)` for the last five minutes");
            return Err(parser.unexpected(&format!("`,` and {A_WINDOW}")).hint(hint));
        }
        _ => return Err(parser.unexpected(&format!("`,` and {A_WINDOW}"))),
    };
    let window = window(parser)?;
    if !matches!(parser.peek(), Some(Lexeme::Close)) {
        return Err(parser.unexpected("`)`"));
    }
    parser.advance();
    let call = Call { function, variable, window };
    let slot = parser.calls.iter().position(|known| *known == call).unwrap_or_else(|| {
        parser.calls.push(call);
        parser.calls.len() - 1
    });
    Ok(u16::try_from(slot).unwrap_or(u16::MAX))
}

fn window(parser: &mut Parser<'_>) -> Result<Duration, Fault> {
    let at = parser.at();
    let millis = match parser.peek() {
        Some(Lexeme::Number(seconds, None)) => seconds * 1_000.0,
        Some(Lexeme::Number(number, Some(unit))) => unit.convert(*number, TimeUnit::Milliseconds),
        _ => return Err(parser.unexpected(A_WINDOW)),
    };
    // A window as short as it is written, to the millisecond.
    let whole = millis.round();
    if !(1.0..=LONGEST_WINDOW).contains(&whole) {
        return Err(parser.fault(at, "the window is out of bounds", "1 s to 366 days"));
    }
    parser.advance();
    Ok(Duration::from_millis(whole as u64))
}
