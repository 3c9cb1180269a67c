//! `parent-changed`: what a preview was made of is fixed at birth.

use super::{Draft, Facts, Request, Rule, label, life};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::ParentChanged,
    applies: life,
    review,
};

fn review(request: &Request, _: &Facts, draft: &mut Draft) {
    for key in [keys::PARENT, keys::PR] {
        if request.old_label(key) != request.label(key) {
            draft.deny(Violation::new(
                Reason::ParentChanged,
                label(key),
                "is fixed at birth",
            ));
        }
    }
}
