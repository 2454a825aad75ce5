//! Texts that the original takes for dates, and so for numbers: seconds since 1970 in UTC.

use winnow::{
    Parser, Result,
    ascii::{Caseless, digit1},
    combinator::{alt, eof, opt, preceded, terminated},
    token::{one_of, take_while},
};

/// The Unix time of a text in one of the forms of the original: RFC 3339 and its shorter forms, `date` of Unix, C's and
/// Ruby's, and a time of day such as `10:30PM` (of 1 January of the year 0).
pub(super) fn seconds(text: &str) -> Option<i64> {
    // No form is longer, and each begins like this: most texts are no dates.
    if text.len() > 40 || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    terminated(alt((iso, named, kitchen)), eof).parse(text).ok().flatten()
}

/// Year, month, day.
type Day = (i64, i64, i64);
/// Hour, minute, second.
type Time = (i64, i64, i64);

fn digits(least: usize, most: usize) -> impl Fn(&mut &str) -> Result<i64> {
    move |input| take_while(least..=most, |c: char| c.is_ascii_digit()).parse_to().parse_next(input)
}

fn iso(input: &mut &str) -> Result<Option<i64>> {
    let day = (terminated(digits(4, 4), '-'), terminated(digits(2, 2), '-'), digits(2, 2)).parse_next(input)?;
    let rest = opt(alt((preceded('T', with_zone), preceded(' ', without_zone)))).parse_next(input)?;
    let (time, offset) = rest.unwrap_or(((0, 0, 0), 0));
    Ok(instant(day, time, offset))
}

/// `15`, `15:04`, `15:04:05` or `15:04:05.999`, and `Z`, `+02:00` or `+0200`.
fn with_zone(input: &mut &str) -> Result<(Time, i64)> {
    let hour = digits(2, 2).parse_next(input)?;
    let minute = opt(preceded(':', digits(2, 2))).parse_next(input)?;
    let second = match minute {
        Some(_) => opt(terminated(preceded(':', digits(2, 2)), opt(('.', digit1)))).parse_next(input)?,
        None => None,
    };
    let offset = alt(('Z'.value(0), |input: &mut &str| zone(input, true))).parse_next(input)?;
    Ok(((hour, minute.unwrap_or(0), second.unwrap_or(0)), offset))
}

/// `15:04`, `15:04:05` or `15:04:05+02:00`.
fn without_zone(input: &mut &str) -> Result<(Time, i64)> {
    let (hour, minute) = (digits(2, 2), preceded(':', digits(2, 2))).parse_next(input)?;
    let second = opt(terminated(preceded(':', digits(2, 2)), opt(('.', digit1)))).parse_next(input)?;
    let offset = match second {
        Some(_) => opt(|input: &mut &str| zone(input, true)).parse_next(input)?,
        None => None,
    };
    Ok(((hour, minute, second.unwrap_or(0)), offset.unwrap_or(0)))
}

/// Seconds east of Greenwich.
fn zone(input: &mut &str, colon: bool) -> Result<i64> {
    let sign = one_of(['+', '-']).parse_next(input)?;
    let hours = digits(2, 2).parse_next(input)?;
    if colon {
        opt(':').parse_next(input)?;
    }
    let minutes = digits(2, 2).parse_next(input)?;
    let offset = hours * 3_600 + minutes * 60;
    Ok(if sign == '-' { -offset } else { offset })
}

/// `Mon Jan _2 15:04:05 2006`, with `MST` or `-0700` before the year. The weekday need not fit, as in the original.
fn named(input: &mut &str) -> Result<Option<i64>> {
    alt((
        Caseless("Mon"),
        Caseless("Tue"),
        Caseless("Wed"),
        Caseless("Thu"),
        Caseless("Fri"),
        Caseless("Sat"),
        Caseless("Sun"),
    ))
    .parse_next(input)?;
    let month = preceded(' ', month).parse_next(input)?;
    let day = preceded((' ', opt(' ')), digits(1, 2)).parse_next(input)?;
    let time =
        preceded(' ', (digits(2, 2), preceded(':', digits(2, 2)), preceded(':', digits(2, 2)))).parse_next(input)?;
    let letters = take_while(3..=4, |c: char| c.is_ascii_uppercase());
    let offset =
        opt(preceded(' ', alt((letters.value(0), |input: &mut &str| zone(input, false))))).parse_next(input)?;
    let year = preceded(' ', digits(4, 4)).parse_next(input)?;
    Ok(instant((year, month, day), time, offset.unwrap_or(0)))
}

fn month(input: &mut &str) -> Result<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    take_while(3..=3, |c: char| c.is_ascii_alphabetic())
        .verify_map(|name: &str| {
            (1..).zip(MONTHS).find(|(_, month)| month.eq_ignore_ascii_case(name)).map(|(at, _)| at)
        })
        .parse_next(input)
}

fn kitchen(input: &mut &str) -> Result<Option<i64>> {
    let (hour, minute) = (digits(1, 2), preceded(':', digits(2, 2))).parse_next(input)?;
    let afternoon = alt(("AM".value(false), "PM".value(true))).parse_next(input)?;
    if hour > 12 {
        return Ok(None);
    }
    let hour = hour % 12 + if afternoon { 12 } else { 0 };
    Ok(instant((0, 1, 1), (hour, minute, 0), 0))
}

fn instant((year, month, day): Day, (hour, minute, second): Time, offset: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970, counting years from March so that the leap day is the last of its year.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = shifted_year.div_euclid(400);
    let of_era = shifted_year.rem_euclid(400);
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_original_is_a_date() {
        for (text, expected) in [
            ("2014-01-02", 1_388_620_800),
            ("2014-01-02 14:12", 1_388_671_920),
            ("2014-01-02 14:12:22", 1_388_671_942),
            ("2014-01-02 14:12:22+02:00", 1_388_664_742),
            ("2014-01-02T14Z", 1_388_671_200),
            ("2014-01-02T14:12Z", 1_388_671_920),
            ("2014-01-02T14:12:22Z", 1_388_671_942),
            ("2014-01-02T14:12:22.75-0100", 1_388_675_542),
            ("Thu Jan  2 14:12:22 2014", 1_388_671_942),
            ("Thu Jan 2 14:12:22 UTC 2014", 1_388_671_942),
            ("Thu Jan 02 14:12:22 +0100 2014", 1_388_668_342),
            ("10:30PM", -62_167_138_200),
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in
            ["", "10", "2014", "2014-01", "2014-13-01", "2014-02-30", "2014-01-02T25:00Z", "13:00PM", "es.bsc", "é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
