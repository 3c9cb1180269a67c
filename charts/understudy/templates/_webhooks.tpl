{{/* Both configurations hold the same two entries: what is changed is also validated in its final state, after the
     webhooks of others. The caller passes {root, path, mutating}. There is no caBundle: the leader sets it, and an
     upgrade leaves it alone because the chart never writes the field. Until then calls fail on the certificate, which
     holds up previews and nothing else. */}}
{{- define "understudy.webhooks" -}}
- name: namespaces.understudy.dev
  clientConfig:
    service:
      name: understudy-webhook
      namespace: {{ .root.Release.Namespace }}
      path: {{ .path }}
      port: {{ .root.Values.service.port }}
  rules:
    # CREATE grants the lease, UPDATE keeps the contract. Not DELETE, and neither namespaces/status nor
    # namespaces/finalize: the API server must be able to finish a namespace without us. The policy
    # understudy-contract holds those two routes.
    - operations: [CREATE, UPDATE]
      apiGroups: [""]
      apiVersions: [v1]
      resources: [namespaces]
      scope: Cluster
  # By objectSelector, since it matches the old or the new object: the label's removal is seen as well as its arrival. A
  # namespaceSelector would look at the new labels only. Exists, so that a value other than "true" is refused by name.
  objectSelector:
    matchExpressions:
      - {key: understudy.dev/preview, operator: Exists}
  namespaceSelector: {}
  {{- include "understudy.webhook.terms" . | nindent 2 }}
- name: objects.understudy.dev
  clientConfig:
    service:
      name: understudy-webhook
      namespace: {{ .root.Release.Namespace }}
      path: {{ .path }}
      port: {{ .root.Values.service.port }}
  rules:
    # Every kind, since a kind that nobody listed is a way out of the namespace (kind-not-allowed). Not "*/*": that
    # includes status and finalize. One subresource by name, because it brings containers in; what a resize asks for is held
    # by quota and limits. Namespaced, since an unscoped rule also catches cluster-scoped requests.
    - operations: [CREATE, UPDATE]
      apiGroups: ["*"]
      apiVersions: ["*"]
      resources: ["*", pods/ephemeralcontainers]
      scope: Namespaced
  objectSelector: {}
  # Nothing outside previews ever waits for us.
  namespaceSelector:
    matchExpressions:
      - {key: understudy.dev/preview, operator: In, values: ["true"]}
  {{- include "understudy.webhook.terms" (merge (dict "objects" true) .) | nindent 2 }}
    # Written all the time by the machinery, hold nothing that runs, and must not pile up behind us. An access review
    # is a question and not an object.
    - name: not-an-event-or-lease
      expression: >-
        !(request.resource.resource == 'events' && request.resource.group in ['', 'events.k8s.io']) &&
        !(request.resource.resource == 'leases' && request.resource.group == 'coordination.k8s.io') &&
        !(request.resource.resource == 'localsubjectaccessreviews' && request.resource.group == 'authorization.k8s.io')
    # What the control plane itself writes follows from objects that were reviewed. One worker makes the ServiceAccounts of
    # the whole cluster, another one the root CAs: if they waited for us in one preview, everybody would wait. What runs is
    # reviewed, whoever makes it; later changes of it by the control plane are finalizers and owners.
    - name: not-by-the-control-plane
      expression: >-
        !(request.userInfo.username in {{ include "understudy.tables.controlPlane" .root }} ||
        {{ include "understudy.cel.node" .root }}) ||
        (request.operation == 'CREATE' && {{ include "understudy.tables.whatRuns" .root }})
    # What we put into every preview, a dozen objects each. The rules are made for others, the policies confine who we are, and
    # a preview must not stay open because admission is away.
    - name: not-a-guardrail-of-ours
      expression: >-
        !(request.operation == 'CREATE' && request.userInfo.username == {{ include "understudy.cel.controller" .root }} &&
        has(object.metadata.labels) && {{ include "understudy.tables.guardrail" .root }} in object.metadata.labels)
    # What the cluster's other machinery writes of kinds of its own (CiliumEndpoint, PolicyReport): not a user's doing. A
    # vendor's group has a dot and is not one of Kubernetes' own.
    - name: not-the-machinery-s-own
      expression: >-
        !(request.resource.group.contains('.') && !request.resource.group.endsWith('.k8s.io') &&
        ({{ include "understudy.cel.machinery" .root }}))
{{- end }}

{{/* What both entries have in common; ends in an open list of matchConditions. */}}
{{- define "understudy.webhook.terms" -}}
# The same object in another API version is the same object.
matchPolicy: Equivalent
# A preview without its rules is worse than a preview that waits.
failurePolicy: Fail
# Facts are read within 500 ms and an answer takes milliseconds, so whoever needs longer is gone. Mutation, reinvocation
# and validation together stay below half of the API server's 34 s for a whole request.
timeoutSeconds: 5
# Nothing is written per request, by the webhook or for it; hence `dryRun` is answered too.
sideEffects: None
admissionReviewVersions: [v1]
{{- if .mutating }}
# A container that a later webhook injects is handled as well.
reinvocationPolicy: IfNeeded
{{- end }}
matchConditions:
  # A dying object (or namespace) waits for the removal of somebody's finalizer, which is an UPDATE: never in its way.
  {{- if .objects }}
  # As long as it does not go it is in force, so it may not become another one meanwhile. The update after which nothing
  # keeps it ends it.
  - name: not-being-deleted
    expression: >-
      oldObject == null || !has(oldObject.metadata.deletionTimestamp) ||
      ((has(object.metadata.finalizers) && size(object.metadata.finalizers) > 0) ||
      !has(oldObject.metadata.deletionGracePeriodSeconds) || oldObject.metadata.deletionGracePeriodSeconds != 0) && (
      !object.all(key, key in ['metadata', 'status'] || (key in oldObject && object[key] == oldObject[key])) ||
      !oldObject.all(key, key in ['metadata', 'status'] || key in object) ||
      has(object.metadata.annotations) != has(oldObject.metadata.annotations) ||
      (has(object.metadata.annotations) && object.metadata.annotations != oldObject.metadata.annotations))
  {{- else }}
  - name: not-being-deleted
    expression: "oldObject == null || !has(oldObject.metadata.deletionTimestamp)"
  {{- end }}
{{- end }}
