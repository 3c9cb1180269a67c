//! `policy-changed`: a preview keeps the policy it was born under.

use super::{Draft, Facts, Request, Rule, label, life};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::PolicyChanged,
    applies: life,
    review,
};

fn review(request: &Request, _: &Facts, draft: &mut Draft<'_>) {
    let (old, new) = (request.old_label(keys::POLICY), request.label(keys::POLICY));
    if old != new {
        let shown = |value: Option<&str>| value.unwrap_or("nothing").to_owned();
        let message = format!("found {}, this preview was born under {}", shown(new), shown(old));
        draft.deny(
            Violation::new(Reason::PolicyChanged, label(keys::POLICY), message)
                .remedy("make another preview under the other policy"),
        );
    }
}
