//! OpenSLO's shorthand for lengths of time, such as `5m`, `28d` or `1Q`: a positive whole number and one of the letters `m h d w M Q Y`.

use crate::period::Period;

/// The period that a shorthand is here: months, quarters and years are those of ISO 8601. Seconds (`90s`) are taken too: programs
/// write them although the specification has none.
pub(super) fn period(text: &str) -> Option<String> {
    let long = |unit: char, months: u32| text.strip_suffix(unit)?.parse::<u32>().ok()?.checked_mul(months);
    let months = long('M', 1).or_else(|| long('Q', 3)).or_else(|| long('Y', 12));
    let written = months.map_or_else(|| text.to_owned(), |months| format!("P{months}M"));
    let good = Period::parse(&written).is_some() && !text.starts_with('P');
    good.then_some(written)
}

/// The shorthand for a period, rounded up to whole minutes where it has no other.
pub(super) fn shorthand(period: &str) -> Option<String> {
    let length = Period::parse(period)?.millis();
    let whole = |text: &str, units: [&str; 5]| {
        let unit = units.into_iter().find(|unit| text.ends_with(unit))?;
        let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(format!("{count}{unit}"))
    };
    let written = match period.strip_prefix('P') {
        None => whole(period, ["m", "h", "d", "w", "w"]),
        Some(rest) => whole(rest, ["M", "Y", "Y", "Y", "Y"]).filter(|_| !rest.contains('T')),
    };
    Some(written.unwrap_or_else(|| minutes(length)))
}

/// Milliseconds in the largest unit that divides them; minutes are rounded up.
pub(super) fn minutes(millis: i64) -> String {
    let minutes = (millis.max(1) - 1) / 60_000 + 1;
    match minutes {
        days if days % 1440 == 0 => format!("{}d", days / 1440),
        hours if hours % 60 == 0 => format!("{}h", hours / 60),
        minutes => format!("{minutes}m"),
    }
}
