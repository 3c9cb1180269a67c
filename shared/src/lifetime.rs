//! How long a preview may live: `90m`, `24h`, `7d`.
//!
//! Not `kube::core::Duration`: that one panics on long digit strings, takes `""` for zero and knows no days.

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A positive whole number of seconds, at most [`Lifetime::MAX_SECONDS`].
///
/// Format: one to four groups of digits with the units `d`, `h`, `m`, `s` in that order, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(i64);

/// Why a text is no [`Lifetime`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration between 1s and 3660d such as 90m, 24h or 7d")]
pub struct InvalidLifetime;

impl Lifetime {
    /// Ten years and a little: far beyond any policy, small enough that no arithmetic overflows.
    pub const MAX_SECONDS: i64 = 3660 * 86_400;

    /// A lifetime of `seconds`, which must be between 1 and [`Lifetime::MAX_SECONDS`].
    pub fn from_seconds(seconds: i64) -> Result<Self, InvalidLifetime> {
        if (1..=Self::MAX_SECONDS).contains(&seconds) {
            Ok(Lifetime(seconds))
        } else {
            Err(InvalidLifetime)
        }
    }

    /// Its length in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The moment this long after `start`.
    pub fn after(self, start: Timestamp) -> Timestamp {
        start
            .saturating_add(SignedDuration::from_secs(self.0))
            .unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for Lifetime {
    type Err = InvalidLifetime;

    fn from_str(text: &str) -> Result<Self, InvalidLifetime> {
        const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
        if text.is_empty() || text.len() > 32 {
            return Err(InvalidLifetime);
        }
        let (mut rest, mut total, mut next_unit) = (text, 0_i64, 0);
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidLifetime)?;
            let number: i64 = rest[..end].parse().map_err(|_| InvalidLifetime)?;
            let letter = rest[end..].chars().next().ok_or(InvalidLifetime)?;
            let unit = UNITS
                .iter()
                .position(|(name, _)| *name == letter)
                .ok_or(InvalidLifetime)?;
            if unit < next_unit {
                return Err(InvalidLifetime);
            }
            next_unit = unit + 1;
            let seconds = number.checked_mul(UNITS[unit].1).ok_or(InvalidLifetime)?;
            total = total.checked_add(seconds).ok_or(InvalidLifetime)?;
            rest = &rest[end + 1..];
        }
        Lifetime::from_seconds(total)
    }
}

impl fmt::Display for Lifetime {
    /// The largest unit that divides it: `24h`, not `86400s`; days only from two days on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s % 86_400 == 0 && s > 86_400 => write!(f, "{}d", s / 86_400),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl Serialize for Lifetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Lifetime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lifetime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// One unit only: CEL's `duration()` knows no days, so the CRD compares what its rules can read.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{0,8}[dhms]$", "maxLength": 10 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [
            ("90m", 5400),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1d12h", 129_600),
            ("10s", 10),
            ("1h30m", 5400),
        ] {
            assert_eq!(text.parse(), Ok(Lifetime(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let long = "9".repeat(30) + "h";
        for text in [
            "", "0s", "-1h", "1", "h", "1h1h", "1m1h", "1.5h", " 1h", "1H", "4000d", &long, "1w", "١h",
        ] {
            assert_eq!(text.parse::<Lifetime>(), Err(InvalidLifetime), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(seconds in 1..=Lifetime::MAX_SECONDS) {
            let lifetime = Lifetime(seconds);
            prop_assert_eq!(lifetime.to_string().parse::<Lifetime>(), Ok(lifetime));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Lifetime>();
        }
    }
}
