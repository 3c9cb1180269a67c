//! The time a preview may live. Everything takes `now`; nothing reads a clock.

use crate::lifetime::Lifetime;
use crate::policy::LifetimeLimits;
use jiff::Timestamp;

/// From a preview's creation to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the namespace was made.
    pub created: Timestamp,
    /// When the lease ends.
    pub expires_at: Timestamp,
}

/// Why a lease cannot be what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    /// Shorter than the policy's minimum.
    TooShort,
    /// It would end after creation plus the policy's maximum.
    TooLong,
}

impl Lease {
    /// A first lease from `now`.
    pub fn grant(
        now: Timestamp,
        ttl: Option<Lifetime>,
        limits: &LifetimeLimits,
    ) -> Result<Lease, OutOfRange> {
        let ttl = ttl.unwrap_or(limits.default);
        in_range(ttl, limits)?;
        let created = whole_seconds(now);
        Ok(Lease {
            created,
            expires_at: ttl.after(created),
        })
    }

    /// After the annotation `ttl` changed: the end moves to creation + `ttl`, never earlier.
    pub fn with_ttl(self, ttl: Lifetime, limits: &LifetimeLimits) -> Result<Lease, OutOfRange> {
        in_range(ttl, limits)?;
        Ok(Lease {
            expires_at: self.expires_at.max(ttl.after(self.created)),
            ..self
        })
    }

    /// Moves the end by `by` from the later of now and the end.
    pub fn extend(self, by: Lifetime, now: Timestamp, limits: &LifetimeLimits) -> Result<Lease, OutOfRange> {
        self.moved_to(by.after(whole_seconds(now).max(self.expires_at)), limits)
    }

    /// With the end at `end`: any time up to the maximum, also the past.
    pub fn moved_to(self, end: Timestamp, limits: &LifetimeLimits) -> Result<Lease, OutOfRange> {
        if end > self.latest(limits) {
            Err(OutOfRange::TooLong)
        } else {
            Ok(Lease {
                expires_at: end,
                ..self
            })
        }
    }

    /// The latest end the policy allows.
    pub fn latest(self, limits: &LifetimeLimits) -> Timestamp {
        limits.max.after(self.created)
    }

    /// Whether the lease has run out.
    pub fn is_over(self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

fn in_range(ttl: Lifetime, limits: &LifetimeLimits) -> Result<(), OutOfRange> {
    match ttl {
        ttl if ttl < limits.min => Err(OutOfRange::TooShort),
        ttl if ttl > limits.max => Err(OutOfRange::TooLong),
        _ => Ok(()),
    }
}

/// Kubernetes keeps times in whole seconds; so do we, or a round trip would look like a change.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_lease_without_ttl_is_the_policys_default() {
        let lease = Lease::grant(at("2026-01-01T00:00:00.7Z"), None, &LifetimeLimits::default()).unwrap();
        assert_eq!(lease.expires_at, at("2026-01-02T00:00:00Z"));
    }

    #[test]
    fn a_lease_outside_the_limits_is_refused() {
        let limits = LifetimeLimits::default();
        let grant = |ttl: &str| Lease::grant(at("2026-01-01T00:00:00Z"), Some(ttl.parse().unwrap()), &limits);
        assert_eq!(grant("59m").unwrap_err(), OutOfRange::TooShort);
        assert_eq!(grant("169h").unwrap_err(), OutOfRange::TooLong);
        assert!(grant("168h").is_ok());
    }

    #[test]
    fn extending_counts_from_the_later_of_now_and_the_end() {
        let limits = LifetimeLimits::default();
        let lease = Lease {
            created: at("2026-01-01T00:00:00Z"),
            expires_at: at("2026-01-01T10:00:00Z"),
        };
        let hour = "1h".parse().unwrap();
        let end = |now| lease.extend(hour, at(now), &limits).unwrap().expires_at;
        assert_eq!(end("2026-01-01T05:00:00Z"), at("2026-01-01T11:00:00Z"));
        assert_eq!(end("2026-01-01T12:00:00Z"), at("2026-01-01T13:00:00Z"));
        let week = "7d".parse().unwrap();
        assert_eq!(
            lease.extend(week, at("2026-01-01T05:00:00Z"), &limits),
            Err(OutOfRange::TooLong)
        );
    }

    #[test]
    fn a_changed_ttl_never_ends_a_preview_earlier() {
        let limits = LifetimeLimits::default();
        let lease = Lease {
            created: at("2026-01-01T00:00:00Z"),
            expires_at: at("2026-01-03T00:00:00Z"),
        };
        assert_eq!(
            lease.with_ttl("2h".parse().unwrap(), &limits).unwrap().expires_at,
            lease.expires_at
        );
        let longer = lease.with_ttl("100h".parse().unwrap(), &limits).unwrap();
        assert_eq!(longer.expires_at, at("2026-01-05T04:00:00Z"));
    }

    #[test]
    fn a_lease_is_over_at_its_end() {
        let lease = Lease {
            created: at("2026-01-01T00:00:00Z"),
            expires_at: at("2026-01-01T10:00:00Z"),
        };
        assert!(!lease.is_over(at("2026-01-01T09:59:59Z")));
        assert!(lease.is_over(lease.expires_at));
    }
}
