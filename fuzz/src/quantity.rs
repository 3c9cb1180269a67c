//! Quantities: exactly what the schema's pattern takes is read, and comparing is a total order that agrees with the amounts.

use crate::lines;
use std::cmp::Ordering;
use understudy::quantity::{Quantity, same_amount};

/// Up to three texts, one a line.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let texts: [&str; 3] = lines(text);
    for text in texts {
        let (found, meant) = (text.parse::<Quantity>(), meant(text));
        assert_eq!(found.is_ok(), meant.is_some(), "{text:?}");
        assert!(same_amount(text, text));
    }
    for a in texts {
        for b in texts {
            let (Ok(x), Ok(y)) = (a.parse::<Quantity>(), b.parse::<Quantity>()) else {
                assert_eq!(same_amount(a, b), a == b);
                continue;
            };
            assert_eq!(x.cmp(&y), meant(a).cmp(&meant(b)), "{a} {b}");
            assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
            assert_eq!(same_amount(a, b), x.cmp(&y) == Ordering::Equal, "{a} {b}");
        }
    }
}

/// The amount in thousandths, rounded up, letter by letter.
fn meant(text: &str) -> Option<u128> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            let (fraction, suffix) = rest.split_at(digits);
            (Some(fraction), suffix)
        }
        None => (None, rest),
    };
    let bounded =
        (1..=12).contains(&whole.len()) && fraction.is_none_or(|fraction| (1..=3).contains(&fraction.len()));
    let thousand = |power| Some(1000_u128.pow(power));
    let factor = match suffix {
        "m" => None,
        "" => thousand(0),
        "k" => thousand(1),
        "M" => thousand(2),
        "G" => thousand(3),
        "T" => thousand(4),
        "P" => thousand(5),
        "Ki" => Some(1024),
        "Mi" => Some(1024_u128.pow(2)),
        "Gi" => Some(1024_u128.pow(3)),
        "Ti" => Some(1024_u128.pow(4)),
        "Pi" => Some(1024_u128.pow(5)),
        _ => return None,
    };
    if !bounded {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let thousandths = whole.parse::<u128>().ok()? * 1000
        + fraction
            .bytes()
            .zip([100, 10, 1])
            .map(|(digit, worth)| u128::from(digit - b'0') * worth)
            .sum::<u128>();
    Some(match factor {
        Some(factor) => thousandths * factor,
        None => thousandths.div_ceil(1000),
    })
}
