//! The mark that an exempt user let something in against a rule is admission's to write: `field-reserved`.

use super::{Draft, Facts, Request, Rule, annotation};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::FieldReserved,
    applies: |request| {
        !request.is_namespace()
            && request.annotation(keys::EXEMPTED_BY) != request.old_annotation(keys::EXEMPTED_BY)
    },
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let marked = request.annotation(keys::EXEMPTED_BY);
    // Taking it off, or one's own name at the validation of what mutation wrote, is no harm.
    if marked.is_some() && !(facts.exempts(&request.user) && marked == Some(request.user.name.as_str())) {
        let message = "is written by Understudy, where an exempt user lets something in against a rule";
        draft.deny(
            Violation::new(Reason::FieldReserved, annotation(keys::EXEMPTED_BY), message)
                .remedy("leave it out"),
        );
    }
}
