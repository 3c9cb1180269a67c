//! Durations: what is read is what is meant, and what is printed is read as the same.

use understudy::lifetime::Lifetime;

/// Any text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let found = text.parse::<Lifetime>();
    assert_eq!(
        found.as_ref().ok().map(|one| one.seconds()),
        meant(text),
        "{text:?}"
    );
    let Ok(lifetime) = found else { return };
    assert!((1..=Lifetime::MAX_SECONDS).contains(&lifetime.seconds()));
    assert_eq!(lifetime.to_string().parse(), Ok(lifetime), "{lifetime}");
    let written = serde_json::to_string(&lifetime).expect("a duration is JSON");
    assert_eq!(serde_json::from_str::<Lifetime>(&written).ok(), Some(lifetime));
    let start = "2026-01-01T00:00:00Z".parse().expect("a time");
    assert!(lifetime.after(start) > start);
}

/// The same, letter by letter: groups of digits with units that become smaller.
fn meant(text: &str) -> Option<i64> {
    let (mut total, mut number, mut largest) = (0_i128, None::<i128>, 5);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(
                number
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(i128::from(digit)),
            );
            continue;
        }
        let (rank, seconds) = match c {
            'd' => (4, 86_400),
            'h' => (3, 3600),
            'm' => (2, 60),
            's' => (1, 1),
            _ => return None,
        };
        if rank >= largest {
            return None;
        }
        largest = rank;
        total = total.saturating_add(number.take()?.saturating_mul(seconds));
    }
    let whole = number.is_none() && text.len() <= 32;
    let total = i64::try_from(total).ok()?;
    (whole && (1..=Lifetime::MAX_SECONDS).contains(&total)).then_some(total)
}
