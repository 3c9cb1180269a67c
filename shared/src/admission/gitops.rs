//! Objects that Argo CD or Flux applies from Git: a change of ours and Git would fight over them for ever.
//!
//! Sources: <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>,
//! <https://fluxcd.io/flux/components/kustomize/kustomizations/#labels-and-annotations>.

use super::{Draft, Facts, Request};
use crate::policy::{PreviewPolicySpec, Rewrites};
use crate::reason::Reason;
use crate::violation::Violation;

/// What the appliers leave on objects: where it stands, the key, whose it is. Helm's `app.kubernetes.io/instance` is not
/// among them: charts write it whoever applies them.
const MARKS: [(&str, &str, &str); 5] = [
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "resourceset.fluxcd.controlplane.io/name", "Flux"),
];

/// The field managers by which the appliers write (`metadata.managedFields`), and whose they are. Sources:
/// `ArgoCDSSAManager` of Argo CD and its user agent where it applies client-side; `kustomize-controller` and
/// `helm-controller` of Flux.
const MANAGERS: [(&str, &str); 4] = [
    ("argocd-controller", "Argo CD"),
    ("argocd-application-controller", "Argo CD"),
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
];

/// Who applies the object of `request` from Git, for people.
pub(super) fn applier(request: &Request, policy: Option<&PreviewPolicySpec>) -> Option<String> {
    let metadata = &request.object["metadata"];
    let marked = MARKS
        .iter()
        .find(|(map, key, _)| metadata[*map][*key].is_string())
        .map(|(_, _, who)| (*who).to_owned());
    let managers = || metadata["managedFields"].as_array().into_iter().flatten();
    let manages = |name: &str| managers().any(|entry| entry["manager"] == name);
    let managed = || {
        let found = MANAGERS.iter().find(|(name, _)| manages(name));
        found.map(|(_, who)| (*who).to_owned())
    };
    let trusted = || {
        let (namespace, name) = request.user.service_account()?;
        let account = format!("{namespace}/{name}");
        let listed = policy?.trusted.service_accounts.contains(&account);
        listed.then_some(account)
    };
    marked.or_else(managed).or_else(trusted)
}

/// Whether the rule `reason` may change `field` of the object; where it may not, the object is refused here.
pub(super) fn may_change(
    request: &Request,
    facts: &Facts,
    draft: &mut Draft<'_>,
    reason: Reason,
    field: &str,
    wanted: &str,
) -> bool {
    let policy = facts.policy();
    let rewrites = policy.map(|policy| policy.rewrites).unwrap_or_default();
    match (rewrites, applier(request, policy)) {
        (Rewrites::Never, _) => {
            let message = format!("{wanted}; the policy changes nothing by itself (rewrites: never)");
            draft.deny(Violation::new(reason, field, message).remedy("change it in the manifest"));
            false
        }
        (Rewrites::UnlessGitops, Some(who)) => {
            let message = format!("{reason}: {wanted}, and {who} applies this from Git");
            let remedy = "change it in Git, e.g. by an overlay for previews, or ask for rewrites: always in the policy";
            draft.deny(Violation::new(Reason::GitopsManaged, field, message).remedy(remedy));
            false
        }
        _ => true,
    }
}
