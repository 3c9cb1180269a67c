//! `parent-changed`: what a preview was made of is fixed at birth.

use super::{Draft, Facts, Request, Rule, label, life};
use crate::contract::KEYS;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::ParentChanged,
    applies: life,
    review,
};

fn review(request: &Request, _: &Facts, draft: &mut Draft) {
    for row in KEYS.iter().filter(|row| row.reason == Reason::ParentChanged) {
        if request.old_label(row.name) != request.label(row.name) {
            draft.deny(
                Violation::new(Reason::ParentChanged, label(row.name), "is fixed at birth")
                    .remedy("destroy the preview and make another one"),
            );
        }
    }
}
