//! Days, instants and durations as documents write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// A day in the zone of whoever it is about, or an instant with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// `2026-12-01`: begins with the day as `from` and `start`, includes it as `until` and `end`.
    Day(Date),
    /// `2026-12-05T18:00+01:00`
    Instant(Timestamp),
}

/// A duration, exact: `90d`, `24h`, `15m`, `30s`. A day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(pub SignedDuration);

/// Why a text is no [`When`] or [`Length`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// Neither a day nor an instant.
    #[error("`{0}` is neither a day such as 2026-12-01 nor an instant such as 2026-12-01T09:00+01:00")]
    NotWhen(String),
    /// An instant that says no offset.
    #[error("`{0}` has a time of day and no offset: write `Z`, or an offset such as +01:00")]
    NoOffset(String),
    /// No duration.
    #[error("`{0}` is no duration: write a whole number and d, h, m or s, such as 90d")]
    NotLength(String),
}

impl When {
    /// The first instant that a `from` or `start` includes.
    pub fn begins(self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Day(day) => start_of(day, zone),
            When::Instant(instant) => instant,
        }
    }

    /// The first instant that an `until` or `end` no longer includes.
    pub fn ends(self, zone: &TimeZone) -> Timestamp {
        match self {
            When::Day(day) => day.checked_add(1.day()).map_or(Timestamp::MAX, |next| start_of(next, zone)),
            When::Instant(instant) => instant,
        }
    }
}

/// Where a zone skips midnight or has it twice, a day begins with its first instant.
fn start_of(day: Date, zone: &TimeZone) -> Timestamp {
    day.to_zoned_datetime(zone.clone())
        .and_then(|midnight| midnight.start_of_day())
        .map_or(if day.year() < 0 { Timestamp::MIN } else { Timestamp::MAX }, |begin| begin.timestamp())
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<When, WhenError> {
        let shaped_like_a_day = text.len() == 10 && !text.contains([':', 'T', ' ']);
        if shaped_like_a_day && let Ok(day) = text.parse::<Date>() {
            return Ok(When::Day(day));
        }
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(When::Instant(instant));
        }
        if text.contains(':') && text.parse::<jiff::civil::DateTime>().is_ok() {
            return Err(WhenError::NoOffset(text.to_owned()));
        }
        Err(WhenError::NotWhen(text.to_owned()))
    }
}

impl FromStr for Length {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Length, WhenError> {
        let wrong = || WhenError::NotLength(text.to_owned());
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return Err(wrong()),
        };
        // A thousand years is beyond every grace period; it keeps sums of instants and durations in range.
        let number: i64 =
            number.parse().ok().filter(|n| (0..=31_536_000_000 / seconds).contains(n)).ok_or_else(wrong)?;
        Ok(Length(SignedDuration::from_secs(number * seconds)))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Day(day) => day.fmt(f),
            When::Instant(instant) => instant.fmt(f),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
            .into_iter()
            .find(|(size, _)| seconds != 0 && seconds % size == 0)
            .map_or((seconds, 's'), |(size, unit)| (seconds / size, unit));
        write!(f, "{number}{unit}")
    }
}

macro_rules! as_text {
    ($type:ty, $name:literal, $pattern:literal, $about:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $about })
            }
        }
    };
}

as_text!(
    When,
    "When",
    r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2}))?$",
    "A day (in the person's zone; UTC for services), or an instant with an offset."
);
as_text!(Length, "Length", r"^\d+[dhms]$", "An exact duration: 90d, 24h, 15m, 30s.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_until_day_ends_with_the_day_in_the_persons_zone() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone of the bundled database");
        let day: When = "2026-10-25".parse().expect("a day");
        assert_eq!(day.begins(&berlin).to_string(), "2026-10-24T22:00:00Z");
        assert_eq!(day.ends(&berlin).to_string(), "2026-10-25T23:00:00Z", "the day has 25 hours");
    }

    #[test]
    fn an_instant_needs_an_offset_and_a_day_is_only_a_day() {
        assert!(matches!("2026-12-05T18:00+01:00".parse(), Ok(When::Instant(_))));
        assert!(matches!("2026-12-05T18:00:00Z".parse(), Ok(When::Instant(_))));
        assert!(matches!("2026-12-05T18:00".parse::<When>(), Err(WhenError::NoOffset(_))));
        for wrong in ["", "soon", "2026-13-01", "20261201", "2026-12-01Z", "2026-1-1"] {
            assert!(matches!(wrong.parse::<When>(), Err(WhenError::NotWhen(_))), "{wrong}");
        }
    }

    #[test]
    fn durations_are_exact_and_bounded() {
        for text in ["90d", "24h", "15m", "0s"] {
            let length: Length = text.parse().expect("a duration");
            assert_eq!(length, length.to_string().parse().expect("its own text"));
        }
        for wrong in ["", "d", "-1d", "1w", "1.5h", "99999999999999d", "ü"] {
            assert!(wrong.parse::<Length>().is_err(), "{wrong}");
        }
    }
}
