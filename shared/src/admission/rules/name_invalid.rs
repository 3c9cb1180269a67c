//! `name-invalid`: a preview's name contains no `--`, or its hosts could not be told from another's.

use super::{Draft, Facts, Request, Rule, birth};
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::NameInvalid,
    applies: birth,
    review,
};

fn review(request: &Request, _: &Facts, draft: &mut Draft<'_>) {
    if request.name.contains("--") {
        let message = format!(
            "found {:?}, a preview's name may not contain \"--\"",
            request.name
        );
        let remedy = format!("name it {}", request.name.replace("--", "-"));
        draft.deny(Violation::new(Reason::NameInvalid, "metadata.name", message).remedy(remedy));
    }
}
