{{/* Labels that charts put on everything; {root, component}. */}}
{{- define "shop.labels" -}}
app.kubernetes.io/name: shop
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: shop
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Which Pods belong to a component; {root, component}. */}}
{{- define "shop.selector" -}}
app.kubernetes.io/name: shop
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* Argo CD's tracking id: application:group/Kind:namespace/name; {root, id: "group/Kind", name}. A clone that kept it would
     be taken for a part of this application, and pruned. */}}
{{- define "shop.tracking" -}}
argocd.argoproj.io/tracking-id: {{ printf "%s:%s:%s/%s" .root.Values.argocd.application .id .root.Release.Namespace .name | quote }}
{{- end }}

{{/* Runs as nobody, writes nowhere. */}}
{{- define "shop.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
