//! `creator-refused`: the policy says who may make previews. Naming nobody admits anyone on `default`, nobody elsewhere.

use super::{Draft, Facts, Request, Rule, birth, label};
use crate::admission::{User, grant};
use crate::keys;
use crate::policy::Creators;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::CreatorRefused,
    applies: birth,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let name = grant::named_policy(request);
    let Some(policy) = facts.policies.get(name) else {
        return;
    };
    if !admits(&policy.creators, name, &request.user) {
        let message = format!("policy {name} does not admit {} as a creator", request.user.name);
        let remedy = format!("ask an administrator to add you to spec.creators of PreviewPolicy {name}");
        draft.deny(Violation::new(Reason::CreatorRefused, label(keys::POLICY), message).remedy(remedy));
    }
}

fn admits(creators: &Creators, policy: &str, user: &User) -> bool {
    if creators.is_empty() {
        return policy == keys::DEFAULT_POLICY;
    }
    let account = user
        .service_account()
        .map(|(namespace, name)| format!("{namespace}/{name}"));
    creators.users.contains(&user.name)
        || user.groups.iter().any(|group| creators.groups.contains(group))
        || account.is_some_and(|account| creators.service_accounts.contains(&account))
}
