//! Points in time. Reads no clock.

use std::fmt;
use std::time::Duration;

/// Microseconds since the Unix epoch: what X-Ray recommends for its times.
///
/// A double near 1.8e9 seconds resolves 0.24 µs, so a timestamp survives X-Ray's JSON numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MILLI: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Seconds beyond which a number is not a time anybody means: the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

impl Timestamp {
    /// This many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// This many milliseconds after the epoch, as in `deadlineMs`.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(MICROS_PER_MILLI))
    }

    /// Microseconds after the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds after the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(MICROS_PER_MILLI)
    }

    /// Reads X-Ray's seconds since the epoch. `None` for what is not a time (NaN, beyond the year 9999).
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() || seconds.abs() > SECONDS_MAX {
            return None;
        }
        #[expect(clippy::as_conversions, reason = "bounded above: fits i64 exactly")]
        Some(Self((seconds * 1e6).round() as i64))
    }

    /// X-Ray's form: seconds since the epoch.
    pub fn as_seconds(self) -> f64 {
        #[expect(clippy::as_conversions, reason = "exact for every time before the year 2255")]
        let micros = self.0 as f64;
        micros / 1e6
    }

    /// The time since `earlier`, zero if that lies later.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_micros(micros.unsigned_abs())
    }

    /// The time that far later.
    pub fn after(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The time that far earlier.
    pub fn before(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Reads `2026-05-21T10:15:29.710Z`: any number of fraction digits, `Z` or an offset.
    ///
    /// Also takes a colon before the fraction: Lambda's own documentation prints one.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, clock) = text.split_once(['T', 't', ' '])?;
        let mut date = date.splitn(3, '-');
        let (year, month, day) = (
            number(date.next()?, 4)?,
            number(date.next()?, 2)?,
            number(date.next()?, 2)?,
        );
        let (clock, offset_seconds) = split_offset(clock)?;
        let mut clock = clock.splitn(3, ':');
        let (hour, minute) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?);
        let seconds = clock.next()?;
        let (second, fraction) = match seconds.split_once(['.', ',', ':']) {
            Some((second, fraction)) => (number(second, 2)?, micros_of_fraction(fraction)?),
            None => (number(seconds, 2)?, 0),
        };
        if !(1..=days_in_month(year, month)?).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds =
            days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Some(Self((seconds - offset_seconds) * MICROS_PER_SECOND + fraction))
    }

    /// `2026-05-21T10:15:29.710Z`, as the Telemetry API writes times: milliseconds, rounded down.
    pub fn to_iso8601(self) -> String {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let millis = self.0.rem_euclid(MICROS_PER_SECOND) / MICROS_PER_MILLI;
        let (days, clock) = (
            seconds.div_euclid(SECONDS_PER_DAY),
            seconds.rem_euclid(SECONDS_PER_DAY),
        );
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_iso8601())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds())
    }
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The clock part and its offset in seconds: `Z`, `+02:00`, `-0530`.
fn split_offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = clock.rfind(['+', '-'])?;
    let (clock, offset) = clock.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits = offset.get(1..)?.replace(':', "");
    let offset = number(&digits, 4)?;
    Some((clock, sign * (offset / 100 * 3600 + offset % 100 * 60)))
}

/// Microseconds of a fraction's digits; digits beyond the sixth are cut.
fn micros_of_fraction(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    match month {
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days of the proleptic Gregorian calendar since 1970-01-01, with years that begin in March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_since_epoch`].
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, micros: i64) {
        assert_eq!(
            Timestamp::parse_iso8601(text),
            Some(Timestamp::from_micros(micros)),
            "{text}"
        );
    }

    #[test]
    fn telemetry_times_are_read_in_every_form_seen() {
        check("1970-01-01T00:00:00Z", 0);
        check("2026-05-21T10:15:29.710Z", 1_779_358_529_710_000);
        check("2026-05-21T10:15:29.710204Z", 1_779_358_529_710_204);
        check("2026-05-21T10:15:29.7102049Z", 1_779_358_529_710_204);
        check("2022-06-02T12:02:33:913Z", 1_654_171_353_913_000); // the documentation's colon
        check("2026-05-21T12:15:29.710+02:00", 1_779_358_529_710_000);
        check("2024-02-29T23:59:59Z", 1_709_251_199_000_000);
        check("1969-12-31T23:59:59.999Z", -1_000);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-05-21",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-05-21T24:00:00Z",
            "2026-05-21T10:15Z",
            "2026-05-21T10:15:29",
            "2026-05-21T10:15:29.Z",
            "26-05-21T10:15:29Z",
        ] {
            assert_eq!(Timestamp::parse_iso8601(text), None, "{text}");
        }
        for seconds in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Timestamp::from_seconds(seconds), None);
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_both_forms(micros in -9_000_000_000_000_000i64..9_000_000_000_000_000) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse_iso8601(&time.to_iso8601()).unwrap().as_millis(), time.as_millis());
            let back = Timestamp::from_seconds(time.as_seconds()).unwrap();
            prop_assert!((back.as_micros() - micros).abs() <= 1, "{micros}");
        }

        #[test]
        fn todays_times_survive_exactly(micros in 1_600_000_000_000_000i64..2_200_000_000_000_000) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::from_seconds(time.as_seconds()), Some(time));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*", seconds in any::<f64>()) {
            let _ = Timestamp::parse_iso8601(&text);
            let _ = Timestamp::from_seconds(seconds);
        }
    }
}
