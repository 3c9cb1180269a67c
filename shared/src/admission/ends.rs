//! Other programs that end namespaces by what is written on them. Where one of them would end a preview before its lease does,
//! whoever wrote it is told.
//!
//! Sources: <https://codeberg.org/hjacobs/kube-janitor>, <https://github.com/TwiN/k8s-ttl-controller>,
//! <https://kyverno.io/docs/policy-types/cleanup-policy/#cleanup-label>.

use super::Request;
use crate::keys;
use crate::lifetime::Lifetime;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Annotations that say when a namespace ends, or how long it lives.
const ANNOTATIONS: [&str; 3] = ["janitor/ttl", "janitor/expires", REFRESHABLE];
/// The one whose time may be counted anew.
const REFRESHABLE: &str = "k8s-ttl-controller.twin.sh/ttl";
/// The label that does.
const LABEL: &str = "cleanup.kyverno.io/ttl";
/// From when on k8s-ttl-controller counts, where it is given.
const REFRESHED: &str = "k8s-ttl-controller.twin.sh/refreshed-at";

/// What of `request` ends its namespace, made by `now`, before `lease`; for the user. Said when it is written, or the lease is.
pub(super) fn before(request: &Request, now: Timestamp, lease: Timestamp) -> Vec<String> {
    let annotations = ANNOTATIONS.map(|key| {
        let (new, old) = (request.annotation(key), request.old_annotation(key));
        ("annotation", key, new, old)
    });
    let label = ("label", LABEL, request.label(LABEL), request.old_label(LABEL));
    let old_lease = request
        .old_annotation(keys::EXPIRES_AT)
        .and_then(|end| end.parse().ok());
    let is_new = old_lease != Some(lease);
    let born = request.object["metadata"]["creationTimestamp"].as_str();
    let born = born.and_then(|at| at.parse().ok()).unwrap_or(now);
    let refreshed = request.annotation(REFRESHED).and_then(|at| at.parse().ok());
    let written = annotations.into_iter().chain([label]);
    written
        .filter(|(_, _, new, old)| is_new || new != old)
        .filter_map(|(place, key, value, _)| {
            let from = refreshed.filter(|_| key == REFRESHABLE);
            let value = value?;
            let end = end(value, from.unwrap_or(born))?;
            (end < lease).then(|| {
                format!(
                    "{place} {key}: {value} ends this namespace at {end}, and its lease only at {lease}; remove the {place}, \
                     and write {} for a shorter lease",
                    keys::TTL
                )
            })
        })
        .collect()
}

/// When what is written as `text` ends what began at `from`: a time, or how long it lives. What cannot be read ends nothing.
fn end(text: &str, from: Timestamp) -> Option<Timestamp> {
    let utc = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let weeks = |text: &str| -> Option<Lifetime> {
        let weeks: i64 = text.strip_suffix('w')?.parse().ok()?;
        Lifetime::from_seconds(weeks.checked_mul(7 * 86_400)?).ok()
    };
    let lifetime = text.parse().ok().or_else(|| weeks(text));
    lifetime
        .map(|lifetime: Lifetime| lifetime.after(from))
        .or_else(|| text.parse().ok())
        .or_else(|| {
            utc(strtime::parse("%Y-%m-%dT%H%M%SZ", text)
                .ok()?
                .to_datetime()
                .ok()?)
        })
        .or_else(|| utc(text.parse::<DateTime>().ok()?))
        .or_else(|| {
            utc(text
                .parse::<Date>()
                .ok()?
                .to_datetime(jiff::civil::Time::midnight()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_read_as_they_read_it() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("2h", "2026-01-01T02:00:00Z"),
            ("1h30m", "2026-01-01T01:30:00Z"),
            ("2w", "2026-01-15T00:00:00Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T030405Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04", "2026-01-02T03:04:00Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
        ] {
            assert_eq!(end(text, from), Some(wanted.parse().unwrap()), "{text}");
        }
        for text in ["forever", "", "soon", "99999999999999999999w", "-1h"] {
            assert_eq!(end(text, from), None, "{text}");
        }
    }
}
