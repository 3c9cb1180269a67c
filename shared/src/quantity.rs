//! Quantities as Kubernetes writes them: `500m`, `4Gi`, `1e3`.
//!
//! Only what a policy needs: is it one, and which of two is larger.
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use std::cmp::Ordering;
use std::str::FromStr;

/// A non-negative amount in thousandths, as the API server canonicalises it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    milli: u128,
}

/// Why a text is no [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a quantity such as 500m, 2 or 4Gi")]
pub struct InvalidQuantity;

/// The pattern of the CRD's schema; the parser takes exactly what it takes, up to the bound on digits.
pub const PATTERN: &str = r"^[0-9]{1,12}(\.[0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let dotted = number.contains('.');
        if whole.is_empty() || whole.len() > 12 || fraction.len() > 3 || (dotted && fraction.is_empty()) {
            return Err(InvalidQuantity);
        }
        let thousandths: u128 = format!("{whole}{fraction:0<3}")
            .parse()
            .map_err(|_| InvalidQuantity)?;
        let milli = match suffix {
            "m" => thousandths.div_ceil(1000),
            "" => thousandths,
            "k" => thousandths * 1_000,
            "M" => thousandths * 1_000_000,
            "G" => thousandths * 1_000_000_000,
            "T" => thousandths * 1_000_000_000_000,
            "P" => thousandths * 1_000_000_000_000_000,
            "Ki" => thousandths << 10,
            "Mi" => thousandths << 20,
            "Gi" => thousandths << 30,
            "Ti" => thousandths << 40,
            "Pi" => thousandths << 50,
            _ => return Err(InvalidQuantity),
        };
        Ok(Quantity { milli })
    }
}

impl Quantity {
    /// A whole number of something.
    pub fn count(number: u64) -> Self {
        Quantity {
            milli: u128::from(number) * 1000,
        }
    }

    /// How many of `unit`, which is not nothing, it takes to hold it: rounded up.
    pub fn in_units_of(self, unit: Quantity) -> u128 {
        self.milli.div_ceil(unit.milli)
    }

    /// `times` as much.
    pub fn times(self, times: u64) -> Self {
        Quantity {
            milli: self.milli.saturating_mul(u128::from(times)),
        }
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;

    fn add(self, other: Quantity) -> Quantity {
        Quantity {
            milli: self.milli.saturating_add(other.milli),
        }
    }
}

/// In the largest unit that keeps it whole: `1500m`, `3Gi`, `20`.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.milli.is_multiple_of(1000) {
            return write!(f, "{}m", self.milli);
        }
        let whole = self.milli / 1000;
        let units = [(40, "Ti"), (30, "Gi"), (20, "Mi")];
        let unit = units
            .iter()
            .find(|(shift, _)| whole != 0 && whole.is_multiple_of(1 << shift));
        match unit {
            Some((shift, suffix)) => write!(f, "{}{suffix}", whole >> shift),
            None => write!(f, "{whole}"),
        }
    }
}

/// Whether two quantities mean the same amount, however they are spelt; texts that are none compare as texts.
pub fn same_amount(a: &str, b: &str) -> bool {
    match (a.parse::<Quantity>(), b.parse::<Quantity>()) {
        (Ok(a), Ok(b)) => a.cmp(&b) == Ordering::Equal,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn compares_across_suffixes() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(q("1000m"), q("1"));
        assert_eq!(q("1Gi"), q("1024Mi"));
        assert!(q("1G") < q("1Gi"));
        assert!(q("0.5") > q("499m"));
        assert_eq!((q("1500m") + q("500m")).to_string(), "2");
        assert_eq!(q("512Mi").times(6).to_string(), "3Gi");
        assert_eq!((q("100m") + q("1")).to_string(), "1100m");
        assert!(same_amount("2", "2000m") && !same_amount("2", "2001m"));
    }

    #[test]
    fn refuses_nonsense() {
        for text in ["", "banana", "-1", "1.", ".5", "1gi", "1 Gi", "1e400", "1Gi2"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
