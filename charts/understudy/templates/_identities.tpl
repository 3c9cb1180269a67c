{{/* CEL terms about who asks. Identity is compared whole: a name that begins or ends like ours is somebody else. */}}

{{- define "understudy.cel.admission" -}}
{{ printf "system:serviceaccount:%s:understudy-admission" .Release.Namespace | toJson }}
{{- end }}

{{- define "understudy.cel.controller" -}}
{{ printf "system:serviceaccount:%s:understudy-controller" .Release.Namespace | toJson }}
{{- end }}

{{/* JSON's list and string literals are CEL's too, escapes included. */}}
{{- define "understudy.cel.exempt" -}}
request.userInfo.username in {{ .Values.exempt.users | default list | toJson }} ||
(has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in {{ .Values.exempt.groups | default list | toJson }}))
{{- end }}

{{/* `namespace/name` → the user name that the API server knows the service account by. */}}
{{- define "understudy.cel.goldenKeepers" -}}
{{- $users := list -}}
{{- range .Values.goldenKeepers -}}
{{- $users = append $users (printf "system:serviceaccount:%s" (replace "/" ":" .)) -}}
{{- end -}}
{{ toJson $users }}
{{- end }}

{{/* A kubelet: both the name and the group, as the node authorizer has it. */}}
{{- define "understudy.cel.node" -}}
(request.userInfo.username.startsWith("system:node:") && has(request.userInfo.groups) && "system:nodes" in request.userInfo.groups)
{{- end }}

{{/* Nodes, kube-system's service accounts and those of the chart values systemServiceAccounts and systemUsers: the same
     as Installation::is_cluster in the core. */}}
{{- define "understudy.cel.machinery" -}}
{{- $users := .Values.systemUsers | default list -}}
{{- range .Values.systemServiceAccounts -}}
{{- $users = append $users (printf "system:serviceaccount:%s" (replace "/" ":" .)) -}}
{{- end -}}
{{ include "understudy.cel.node" . }} || request.userInfo.username.startsWith("system:serviceaccount:kube-system:") || request.userInfo.username in {{ toJson $users }}
{{- end }}
