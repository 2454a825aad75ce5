//! Periods as agreements write them: ISO 8601 (`P1M`) or a number with a letter (`28d`).

use mf2c_domain::time::Timestamp;

/// The day has so many seconds, and no leap ones: UTC as POSIX has it.
const DAY: i64 = 86_400;

/// A length of time; months are as long as the calendar has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    months: u32,
    seconds: i64,
}

impl Period {
    /// Reads `P1Y2M3W4DT5H6M7S` or `90s`, `5m`, `8h`, `28d`, `2w`. None for anything else, and for more than 1,000 years.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let period = match text.strip_prefix('P') {
            Some(rest) => Self::iso(rest)?,
            None => {
                let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
                Self { months: 0, seconds: number(digits)?.checked_mul(seconds_of(unit)?)? }
            }
        };
        let sane = period.months <= 12_000 && period.seconds <= 366_000 * DAY;
        (sane && (period.months > 0 || period.seconds > 0)).then_some(period)
    }

    fn iso(text: &str) -> Option<Self> {
        let (days, clock) = text.split_once('T').map_or((text, ""), |(days, clock)| (days, clock));
        let mut period = Self { months: 0, seconds: 0 };
        for (part, units) in [(days, "YMWD"), (clock, "HMS")] {
            let mut rest = part;
            let mut left = units;
            while !rest.is_empty() {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let letter = rest.get(digits..)?.chars().next()?;
                left = left.get(left.find(letter)? + 1..)?;
                let count = number(rest.get(..digits)?)?;
                match (letter, units) {
                    ('Y', _) => period.months += u32::try_from(count).ok()?.checked_mul(12)?,
                    ('M', "YMWD") => period.months = period.months.checked_add(u32::try_from(count).ok()?)?,
                    (letter, _) => {
                        let unit = letter.to_ascii_lowercase();
                        period.seconds += count.checked_mul(seconds_of(unit.encode_utf8(&mut [0; 4]))?)?;
                    }
                }
                rest = rest.get(digits + 1..)?;
            }
        }
        Some(period)
    }

    /// Its length in milliseconds, a month counted as 30 days.
    #[must_use]
    pub fn millis(self) -> i64 {
        (i64::from(self.months) * 30 * DAY + self.seconds) * 1000
    }

    /// The instant that lies this period after `start`. The 31st of January and a month is the last day of February.
    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        let nanos_of_day = i128::from(DAY) * 1_000_000_000;
        let days = start.nanos().div_euclid(nanos_of_day) as i64;
        let moved = if self.months == 0 { days } else { add_months(days, i64::from(self.months)) };
        let clock = start.nanos().rem_euclid(nanos_of_day);
        Timestamp::from_nanos(i128::from(moved) * nanos_of_day + clock + i128::from(self.seconds) * 1_000_000_000)
    }
}

fn number(digits: &str) -> Option<i64> {
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn seconds_of(unit: &str) -> Option<i64> {
    Some(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    })
}

fn add_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = civil(days);
    let index = year * 12 + (month - 1) + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    let first = days_from_civil(year, month, 1);
    let length = days_from_civil(year + month / 12, month % 12 + 1, 1) - first;
    first + day.min(length) - 1
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. The year is taken to begin in March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = (march_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: &str, period: &str) -> String {
        Period::parse(period).unwrap().after(Timestamp::parse(start).unwrap()).to_string()
    }

    #[test]
    fn a_period_is_added_as_the_calendar_has_it() {
        assert_eq!(after("2026-01-31T10:00:00Z", "P1M"), "2026-02-28T10:00:00.000Z");
        assert_eq!(after("2028-01-31T10:00:00Z", "P1M"), "2028-02-29T10:00:00.000Z");
        assert_eq!(after("2026-11-22T10:00:00.5Z", "P1Y2M"), "2028-01-22T10:00:00.500Z");
        assert_eq!(after("2026-12-31T23:59:59Z", "PT1S"), "2027-01-01T00:00:00.000Z");
        assert_eq!(after("2026-02-01T00:00:00Z", "28d"), "2026-03-01T00:00:00.000Z");
        assert_eq!(after("2026-02-01T00:00:00Z", "P1W1DT1H1M"), "2026-02-09T01:01:00.000Z");
    }

    #[test]
    fn what_is_no_period_is_none() {
        for bad in ["", "P", "PT", "5", "d", "P1", "PT1D", "-5d", "1.5h", "P9999999999D", "0s", "5é", "P5é"] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
        assert_eq!(Period::parse("90m").unwrap().millis(), 5_400_000);
    }
}
