{{/* Generated from shared/src/contract.rs: UNDERSTUDY_REGENERATE=1 cargo test --workspace --test generated
     Lists and maps as CEL reads them, so that the policies in the API server and the rules of admission
     cannot differ. */}}

{{- define "understudy.tables.fixed.policy" -}}
["understudy.dev/policy"]
{{- end }}

{{- define "understudy.tables.fixed.parent" -}}
["understudy.dev/parent","understudy.dev/pr"]
{{- end }}

{{- define "understudy.tables.fixed.owner" -}}
["understudy.dev/owner"]
{{- end }}

{{- define "understudy.tables.fixed.labels" -}}
["understudy.dev/origin"]
{{- end }}

{{- define "understudy.tables.fixed.annotations" -}}
["understudy.dev/creator","understudy.dev/lineage","understudy.dev/revive","understudy.dev/approvals"]
{{- end }}

{{- define "understudy.tables.controllers.labels" -}}
["understudy.dev/enforcement","understudy.dev/phase"]
{{- end }}

{{- define "understudy.tables.controllers.annotations" -}}
["understudy.dev/adopted-at","understudy.dev/guardrails","understudy.dev/message","understudy.dev/url"]
{{- end }}

{{- define "understudy.tables.controllers.prefixes" -}}
["understudy.dev/database."]
{{- end }}

{{- define "understudy.tables.unborn.labels" -}}
[]
{{- end }}

{{- define "understudy.tables.unborn.annotations" -}}
["understudy.dev/guardrails","understudy.dev/message","understudy.dev/url","understudy.dev/approvals"]
{{- end }}

{{- define "understudy.tables.unborn.prefixes" -}}
["understudy.dev/database."]
{{- end }}

{{- define "understudy.tables.reserved.labels" -}}
["understudy.dev/origin","understudy.dev/enforcement","understudy.dev/phase"]
{{- end }}

{{- define "understudy.tables.reserved.annotations" -}}
["understudy.dev/expires-at","understudy.dev/adopted-at","understudy.dev/creator","understudy.dev/owner","understudy.dev/guardrails","understudy.dev/message","understudy.dev/url","understudy.dev/approvals"]
{{- end }}

{{- define "understudy.tables.reserved.prefixes" -}}
["understudy.dev/database."]
{{- end }}

{{- define "understudy.tables.podSecurity" -}}
{"baseline":1,"privileged":0,"restricted":2}
{{- end }}

{{- define "understudy.tables.prefix" -}}
'understudy.dev/'
{{- end }}

{{- define "understudy.tables.mark" -}}
'understudy.dev/reviewed'
{{- end }}

{{- define "understudy.tables.exemption" -}}
'understudy.dev/exempted-by'
{{- end }}

{{- define "understudy.tables.guardrail" -}}
'understudy.dev/guardrail'
{{- end }}

{{- define "understudy.tables.branchSecrets" -}}
'understudy-db-'
{{- end }}

{{- define "understudy.tables.guardrailRules" -}}
- operations: [CREATE, UPDATE, DELETE]
  apiGroups: [""]
  apiVersions: ["*"]
  resources: [limitranges, resourcequotas, secrets]
  scope: Namespaced
- operations: [CREATE, UPDATE, DELETE]
  apiGroups: ["networking.k8s.io"]
  apiVersions: ["*"]
  resources: [networkpolicies]
  scope: Namespaced
- operations: [CREATE, UPDATE, DELETE]
  apiGroups: ["rbac.authorization.k8s.io"]
  apiVersions: ["*"]
  resources: [rolebindings]
  scope: Namespaced
{{- end }}

{{- define "understudy.tables.boundRoles" -}}
{"understudy-preview-admission":"understudy-admission","understudy-preview-controller":"understudy-controller","understudy-preview-user":""}
{{- end }}

{{- define "understudy.tables.publicGroups" -}}
["system:authenticated","system:unauthenticated","system:serviceaccounts"]
{{- end }}

{{- define "understudy.tables.controlPlane" -}}
["system:serviceaccount:kube-system:attachdetach-controller","system:serviceaccount:kube-system:certificate-controller","system:serviceaccount:kube-system:clusterrole-aggregation-controller","system:serviceaccount:kube-system:cronjob-controller","system:serviceaccount:kube-system:daemon-set-controller","system:serviceaccount:kube-system:deployment-controller","system:serviceaccount:kube-system:device-taint-eviction-controller","system:serviceaccount:kube-system:disruption-controller","system:serviceaccount:kube-system:endpoint-controller","system:serviceaccount:kube-system:endpointslice-controller","system:serviceaccount:kube-system:endpointslicemirroring-controller","system:serviceaccount:kube-system:ephemeral-volume-controller","system:serviceaccount:kube-system:expand-controller","system:serviceaccount:kube-system:generic-garbage-collector","system:serviceaccount:kube-system:horizontal-pod-autoscaler","system:serviceaccount:kube-system:job-controller","system:serviceaccount:kube-system:kube-apiserver-serving-clustertrustbundle-publisher","system:serviceaccount:kube-system:legacy-service-account-token-cleaner","system:serviceaccount:kube-system:namespace-controller","system:serviceaccount:kube-system:node-controller","system:serviceaccount:kube-system:persistent-volume-binder","system:serviceaccount:kube-system:pod-garbage-collector","system:serviceaccount:kube-system:podcertificaterequestcleaner","system:serviceaccount:kube-system:podgroup-protection-controller","system:serviceaccount:kube-system:pv-protection-controller","system:serviceaccount:kube-system:pvc-protection-controller","system:serviceaccount:kube-system:replicaset-controller","system:serviceaccount:kube-system:replication-controller","system:serviceaccount:kube-system:resource-claim-controller","system:serviceaccount:kube-system:resourcepoolstatusrequest-controller","system:serviceaccount:kube-system:resourcequota-controller","system:serviceaccount:kube-system:root-ca-cert-publisher","system:serviceaccount:kube-system:route-controller","system:serviceaccount:kube-system:selinux-warning-controller","system:serviceaccount:kube-system:service-account-controller","system:serviceaccount:kube-system:service-cidrs-controller","system:serviceaccount:kube-system:service-controller","system:serviceaccount:kube-system:statefulset-controller","system:serviceaccount:kube-system:storage-version-garbage-collector","system:serviceaccount:kube-system:storage-version-migrator-controller","system:serviceaccount:kube-system:tokens-controller","system:serviceaccount:kube-system:ttl-after-finished-controller","system:serviceaccount:kube-system:ttl-controller","system:serviceaccount:kube-system:validatingadmissionpolicy-status-controller","system:serviceaccount:kube-system:volumeattributesclass-protection-controller","system:kube-controller-manager","system:kube-scheduler"]
{{- end }}

{{- define "understudy.tables.whatRuns" -}}
((request.resource.group == '' && request.resource.resource == 'pods') || (request.resource.group == 'batch' && request.resource.resource == 'jobs'))
{{- end }}
