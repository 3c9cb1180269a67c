//! `label-removed`: only an exempt user takes a preview's label off.

use super::{Draft, Facts, Request, Rule, label, preview_namespace};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::LabelRemoved,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, _: &Facts, draft: &mut Draft<'_>) {
    let (old, new) = (request.old_label(keys::PREVIEW), request.label(keys::PREVIEW));
    if old == Some("true") && new != Some("true") {
        let message = format!(
            "the preview label of {} may not be taken off or changed",
            request.name
        );
        let remedy = format!("end the preview instead: understudy destroy {}", request.name);
        draft.deny(Violation::new(Reason::LabelRemoved, label(keys::PREVIEW), message).remedy(remedy));
    }
}
