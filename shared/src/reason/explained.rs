//! What each reason code means, why it exists and how to get past it: the text of `docs/reasons.md`.

use super::Reason;

/// One reason code, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What happened.
    pub means: &'static str,
    /// What it keeps from happening.
    pub why: &'static str,
    /// What to do about it.
    pub past: &'static str,
}

/// Where a code comes from: the head of its part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A rule changes the object.
    Changes,
    /// A rule refuses the object.
    Refuses,
    /// The controller removes a Pod that it held.
    Removes,
}

impl Reason {
    /// Whether it changes, refuses or removes.
    pub fn effect(self) -> Effect {
        use Reason::*;
        match self {
            LeaseGranted | DatabaseRewritten | Placed | IdentityDropped | ExposureLowered | HostRewritten
            | Quarantined | Held => Effect::Changes,
            OverLimits | OverQuota => Effect::Removes,
            _ => Effect::Refuses,
        }
    }

    /// What it means, why it exists, how to get past it.
    pub fn explained(self) -> Explained {
        use Reason::*;
        let (means, why, past) = match self {
            LeaseGranted => (
                "A namespace became a preview. It received the end of its lease (`expires-at`), its creator and owner, its phase and its Pod Security level.",
                "Everything ends, and somebody answers for it. Both are written from the authenticated request, so neither can be claimed.",
                "Ask for another time with the annotation `understudy.dev/ttl`; move the end later with `understudy extend`.",
            ),
            DatabaseRewritten => (
                "A variable that led to a golden database (as a URL, a JDBC URL, a keyword string or a family such as `DB_HOST` and `DB_NAME`) now refers to the Secret of this preview's own branch.",
                "A preview must not write to the real database, whatever its manifests say.",
                "Nothing to do. To leave a database out, name the ones you want in the annotation `understudy.dev/databases`; the others stay protected, they are never passed through.",
            ),
            Placed => (
                "The Pod got the node selector, tolerations or priority class of the policy's `placement` section.",
                "Previews run on the nodes meant for them.",
                "Ask an administrator to change `spec.placement` of the policy.",
            ),
            IdentityDropped => (
                "An annotation or label that gives a ServiceAccount or Pod an identity in a cloud (EKS, GKE, Azure) was taken off; or a Pod was refused because a volume asks for a token that a cloud accepts.",
                "The identity is the golden's: with it a preview reads production's buckets and queues.",
                "Leave it out. A preview that needs the cloud gets credentials of its own, as a Secret that the policy lists or a store holds.",
            ),
            ExposureLowered => (
                "A Service of type `LoadBalancer` or `NodePort`, or with external addresses, became a plain one.",
                "Load balancers cost money and go around the ingress; an external address can take traffic that is meant for others.",
                "Reach the preview by its Ingress, or by `kubectl port-forward`.",
            ),
            HostRewritten => (
                "A host of an Ingress or of a route of the Gateway API became one of this preview's own, with the policy's certificate where it has one.",
                "Two objects with one host share its traffic: a preview would answer production's customers.",
                "Nothing to do; the preview's main host is its name below the policy's domain.",
            ),
            Quarantined => (
                "A CronJob was suspended, a Job that a schedule made was refused, or a variable got the harmless value that the policy lists for it.",
                "What acts by itself sends real mail, charges real cards and runs at night.",
                "Start a Job by hand: `kubectl create job NAME --from=cronjob/CRONJOB`. For more, ask an administrator to change `spec.quarantine` of the policy.",
            ),
            Held => (
                "The Pod carries scheduling gates of `understudy.dev` and the mark that it was reviewed; if it came before the preview's limits, it got them here.",
                "No container starts before the guardrails are in force and the database is ready.",
                "Wait: the gates come off by themselves. What they wait for stands in the namespace's annotation `understudy.dev/message` (`understudy describe`).",
            ),
            LabelRemoved => (
                "Somebody who is not exempt tried to take the label `understudy.dev/preview` off, or to change it.",
                "Guardrails, lease and database hang on that label.",
                "End the preview: `understudy destroy NAME`, or delete the namespace.",
            ),
            PolicyChanged => (
                "The label `understudy.dev/policy` of a preview was changed.",
                "A laxer policy would lift the guardrails of a preview that was admitted under a stricter one.",
                "Make another preview under the other policy.",
            ),
            ParentChanged => (
                "The label `understudy.dev/parent` or `understudy.dev/pr` of a preview was changed.",
                "Names, hosts and branches are made from them.",
                "Make another preview.",
            ),
            KeyInvalid => (
                "A label or annotation of the contract holds something that cannot be read. The message names the key, what was found and what is allowed.",
                "A typing error must not become a preview that lives by a default nobody chose.",
                "Correct the value.",
            ),
            FieldReserved => (
                "A key was set or changed that only Understudy, its controller or an administrator writes; or a variable bears the name of a part of a branch's connection.",
                "People and programs rely on what these keys say.",
                "Leave it out.",
            ),
            LeaseOutOfRange => (
                "A `ttl` or `expires-at` lies outside the policy's `lifetime`, or the end was taken off.",
                "Nothing runs for a year by accident.",
                "Choose a time within the limits that the message names, or ask an administrator to change `spec.lifetime` of the policy.",
            ),
            OwnerForged => (
                "A request names another user as the owner of a preview.",
                "The owner answers for a preview and gets access to it.",
                "Leave the annotation out: it is written from the authenticated user. Automation that makes previews for people is named in `spec.trusted.serviceAccounts` of the policy.",
            ),
            GitopsManaged => (
                "A rule would have to change an object that Argo CD or Flux applies from Git, or that an account of `spec.trusted` applies.",
                "The change and Git would fight for ever, and the preview would never be in sync.",
                "Change it in Git, for instance by an overlay for previews; or ask an administrator for `rewrites: always` in the policy.",
            ),
            EnvironmentUnresolved => (
                "What a Pod would find in its environment or in its files could not be read: the Secret does not exist yet, the preview is a moment old, or the API server did not answer in time. A Pod that a ReplicaSet, StatefulSet or DaemonSet makes is held instead, and made again once everything can be read; so is one that admission did not see. If that does not help, it is tried less and less often, at least every five minutes.",
                "What cannot be read is never guessed: it might lead to the real database.",
                "Try again in a moment; create what is missing first.",
            ),
            NameInvalid => (
                "The name of a preview contains `--`.",
                "A preview's hosts are `SERVICE--NAME.DOMAIN`: what stands after the last `--` says whose host it is.",
                "Choose a name without `--`.",
            ),
            DaemonSetRefused => (
                "A DaemonSet was to be made in a preview.",
                "It would run one Pod of the preview on every node.",
                "Use a Deployment, or ask an administrator for `placement.daemonSets: allow` in the policy.",
            ),
            CreatorRefused => (
                "The policy does not admit this user as a creator of previews.",
                "A policy is the administrator's word on who may do what; the strictest one would be worth nothing if anybody could choose the laxest.",
                "Use a policy that admits you, or ask an administrator to add you to `spec.creators`. A policy other than `default` that names nobody admits nobody.",
            ),
            NotAdoptable => (
                "This namespace may not become a preview: it belongs to the cluster or to Understudy, is a golden, is protected, or exists already in a way that the policy's `adopt` section does not take.",
                "`kubectl label namespace --all` must not put a lease and a default-deny on everything there is.",
                "Create a namespace that carries the label from birth. To adopt existing ones, an administrator sets `adopt.existing: any` with a selector.",
            ),
            PolicyMissing => (
                "The policy that a preview names does not exist. Existing previews keep their guardrails and their lease, and new Pods wait.",
                "Without its policy nobody knows what a preview may do.",
                "See `kubectl get previewpolicies`; correct the label `understudy.dev/policy`, or ask an administrator to restore the policy.",
            ),
            GateLifted => (
                "Somebody other than the controller tried to take a gate of `understudy.dev` off a Pod.",
                "A Pod that starts early starts without limits, network policies or its database.",
                "See what it waits for: the namespace's annotation `understudy.dev/message`.",
            ),
            GuardrailTampered => (
                "An object with the label `understudy.dev/guardrail`, or a Secret named `understudy-db-*`, was to be made, changed or deleted by somebody other than the controller.",
                "Guardrails are the policy's word; whoever writes the Secret of a branch chooses the database that the preview talks to.",
                "Ask an administrator to change the policy: every preview follows.",
            ),
            IdentityConfined => (
                "One of Understudy's own two service accounts was used outside previews and its own namespace.",
                "Whoever steals one of these tokens must not get further than previews.",
                "If it was not you: delete the Pods of Understudy and have new tokens made.",
            ),
            KindNotAllowed => (
                "An object of another vendor's kind that the policy does not list.",
                "Such an object may be a way out of the namespace: a claim makes a cloud database, a Kustomization applies anywhere, a CiliumNetworkPolicy opens what ours close.",
                "Leave it out, or ask an administrator to add it to `spec.kinds` of the policy. Machinery of the cluster that writes such objects is named in the chart values `systemServiceAccounts` and `systemUsers`.",
            ),
            NetworkWidened => (
                "A NetworkPolicy allows more than the policy's network section. The message names what goes beyond.",
                "NetworkPolicies are additive: one that allows everything undoes the one that denies by default.",
                "Pods of the preview reach each other, and what the policy opens, without a NetworkPolicy of your own. For more, ask an administrator to change `spec.network`.",
            ),
            ProtectedEndpoint => (
                "Something would reach a protected namespace, host or database: a variable, an argument, a probe, a mounted file, an alias of a host, a search domain, a Service that is an alias, endpoints written by hand, a backend of a route. A host is matched by what it means, however it is spelt.",
                "Nothing of the original is reached from a preview, except a database by its own branch.",
                "Point it at the preview's own Service (a bare name such as `db`), or ask an administrator to name the database in `spec.databases` of the policy. `understudy clone` rewrites files.",
            ),
            UnreadableEnvironment => (
                "A Pod takes variables from a file that another container writes (`fileKeyRef`), mounts an inline CSI volume, or is taken in hand by a secret injector.",
                "Nobody can review beforehand what these bring into the Pod.",
                "Use a Secret and `secretKeyRef`; or ask an administrator for `allow` in `spec.secrets.fileKeyRef`, `.csi` or `.injectors` of the policy.",
            ),
            SecretCopied => (
                "A value of 16 bytes or more is the value of a Secret in a protected namespace that admission may read.",
                "A copied key of production works in a preview as well as in production.",
                "Use a value made for previews; or ask an administrator to list the Secret in `spec.secrets.copy` of the policy. Those of `.tls` and `.pull` are let through as well.",
            ),
            SecretStoreForbidden => (
                "An ExternalSecret asks a store, or below a key, that the policy does not name; or a PushSecret, a SecretStore of the preview's own, or a target named `understudy-db-*` was to be made.",
                "A store that serves production serves whoever asks in its name.",
                "Use a store and a key that `spec.secrets.stores` and `.keyPrefixes` of the policy name.",
            ),
            RoleEscalated => (
                "A Role gives more than `understudy-preview-user`, or a RoleBinding names a ClusterRole that might, or somebody without access to this preview.",
                "Access to a preview is what its policy says, also when whoever applies a chart could give away more.",
                "Bind a Role of the preview to a ServiceAccount of the preview; for people, ask an administrator to change `spec.access` of the policy.",
            ),
            HostStolen => (
                "An object asks for a host that is not this preview's, for every host, or for a place in the ingress controller's own configuration, in a field that is not rewritten.",
                "Two objects with one host share its traffic: a preview would answer production's customers.",
                "Use a host that the message names. Without `spec.hosts.domain` in the policy no host can be a preview's own.",
            ),
            OverLimits => (
                "A Pod was made before the preview's LimitRange was there, and asks for more than that allows. It was held by a gate, never started, and was removed.",
                "The API server holds a Pod against a LimitRange only when it is made.",
                "Ask for less, or ask an administrator to change `spec.limits` of the policy.",
            ),
            OverQuota => (
                "Pods were made before the preview's ResourceQuota was there, and together exceed it. The newest was removed; held by a gate, it never started.",
                "The API server holds Pods against a quota only when they are made.",
                "Run fewer or smaller Pods, or ask an administrator to change `spec.quota` of the policy.",
            ),
            InternalError => (
                "A rule failed while it looked at this request. The request is refused to be safe, the program goes on, and its log holds the details.",
                "An object that was not reviewed does not come in.",
                "This is a defect of Understudy: please report it, without any secret value.",
            ),
        };
        Explained { means, why, past }
    }
}

/// The page `docs/reasons.md`.
pub fn page() -> String {
    let mut page = "# Reason codes\n\n\
        Every decision of Understudy carries one of these codes. The same string stands in the answer of the API server, in \
        the metric `understudy_reasons_total`, in Events and in the command line.\n\n\
        Generated from shared/src/reason/explained.rs: UNDERSTUDY_REGENERATE=1 cargo test --workspace --test generated\n"
        .to_owned();
    for (effect, title) in [
        (Effect::Changes, "Codes that change an object"),
        (Effect::Refuses, "Codes that refuse"),
        (
            Effect::Removes,
            "Codes with which a Pod is removed that came before the guardrails",
        ),
    ] {
        page.push_str(&format!("\n## {title}\n"));
        for reason in Reason::ALL.iter().filter(|reason| reason.effect() == effect) {
            let Explained { means, why, past } = reason.explained();
            page.push_str(&format!(
                "\n### `{reason}`\n\n{}\n\n- **What it means.** {means}\n- **Why it exists.** {why}\n- **How to get past it.** {past}\n",
                reason.sentence()
            ));
        }
    }
    page
}
