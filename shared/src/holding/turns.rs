//! How soon the held Pods of one owner are replaced again.
//!
//! A replacement comes at once, from the same template. Where that one cannot be right either (admission may not reach
//! what the controller can read), replacing Pods as fast as they come would go on for ever: so each round makes the next
//! one wait twice as long.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Between the first two rounds: a second one is usual while a preview is a moment old.
const SHORTEST: SignedDuration = SignedDuration::from_millis(250);
/// Never longer, so that what was mended meanwhile is taken up.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// An owner that was left alone for so long begins anew.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

const _: () = assert!(FORGOTTEN.as_secs() > LONGEST.as_secs());

/// Whose Pods were replaced lately, by owner; of one preview.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns(BTreeMap<String, Rounds>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rounds {
    count: u32,
    last: Timestamp,
}

impl Rounds {
    fn wait(self) -> SignedDuration {
        let doubled = 2_i32.checked_pow(self.count.saturating_sub(1));
        let wait = doubled.and_then(|times| SHORTEST.checked_mul(times));
        wait.unwrap_or(LONGEST).min(LONGEST)
    }
}

impl Turns {
    /// Whether Pods of `owner` may be replaced in the look that began at `now`. All of one look are one round.
    pub fn take(&mut self, owner: &str, now: Timestamp) -> bool {
        // A clock that was set back makes nobody wait for it.
        let passed = |rounds: &Rounds| match now.duration_since(rounds.last) {
            passed if passed.is_negative() => LONGEST,
            passed => passed,
        };
        self.0.retain(|_, rounds| passed(rounds) < FORGOTTEN);
        let known = self.0.get(owner);
        if known.is_some_and(|rounds| rounds.last == now) {
            return true;
        }
        if known.is_some_and(|rounds| passed(rounds) < rounds.wait()) {
            return false;
        }
        let count = known.map_or(1, |rounds| rounds.count.saturating_add(1));
        self.0.insert(owner.to_owned(), Rounds { count, last: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: f64) -> Timestamp {
        START + SignedDuration::from_secs_f64(seconds)
    }

    /// When an owner's Pods are replaced whose every replacement is wrong, looked at twice a second for an hour.
    fn rounds() -> Vec<f64> {
        let mut turns = Turns::default();
        let looks = (0..7200).map(|look| f64::from(look) / 2.0);
        looks
            .filter(|seconds| turns.take("web", after(*seconds)))
            .collect()
    }

    #[test]
    fn each_round_waits_twice_as_long_up_to_five_minutes() {
        let rounds = rounds();
        assert_eq!(rounds[..7], [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]);
        let gaps: Vec<f64> = rounds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.is_sorted() && gaps.last() == Some(&300.0), "{gaps:?}");
        assert!(rounds.len() < 25, "{rounds:?}");
    }

    #[test]
    fn all_pods_of_one_look_are_one_round_and_owners_do_not_wait_for_each_other() {
        let mut turns = Turns::default();
        assert!(turns.take("web", after(0.0)) && turns.take("web", after(0.0)));
        assert!(!turns.take("web", after(0.1)));
        assert!(turns.take("api", after(0.1)));
        assert!(turns.take("web", after(0.3)));
    }

    #[test]
    fn who_was_left_alone_for_ten_minutes_begins_anew() {
        let mut turns = Turns::default();
        for round in 0..20 {
            turns.take("web", after(f64::from(round) * 300.0));
        }
        let last = 19.0 * 300.0;
        assert!(!turns.take("web", after(last + 299.0)));
        assert!(turns.take("web", after(last + 600.0)));
        assert!(turns.take("web", after(last + 600.3)));
        assert_eq!(turns.0.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait() {
        let mut turns = Turns::default();
        assert!(turns.take("web", after(86_400.0)));
        assert!(turns.take("web", after(0.0)));
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_five_minutes(looks in proptest::collection::vec(0_i32..10_000_000, 1..60), pause in 300_u32..1000) {
            let mut turns = Turns::default();
            for look in &looks {
                turns.take("web", after(f64::from(*look) / 1000.0));
            }
            let last = turns.0["web"].last;
            prop_assert!(turns.take("web", last + SignedDuration::from_secs(i64::from(pause))));
        }
    }
}
