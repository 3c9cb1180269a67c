{{/* Arguments that both programs take: who is exempt. The ValidatingAdmissionPolicies hold the same lists. */}}
{{- define "understudy.arguments" -}}
{{- $arguments := list -}}
{{- range .Values.exempt.users }}{{ $arguments = append $arguments (printf "--exempt-user=%s" .) }}{{ end -}}
{{- range .Values.exempt.groups }}{{ $arguments = append $arguments (printf "--exempt-group=%s" .) }}{{ end -}}
{{- range .Values.systemServiceAccounts }}{{ $arguments = append $arguments (printf "--system-service-account=%s" .) }}{{ end -}}
{{- range .Values.systemUsers }}{{ $arguments = append $arguments (printf "--system-user=%s" .) }}{{ end -}}
{{- if $arguments }}{{ toYaml $arguments }}{{ end -}}
{{- end }}

{{/* What admission mounts: nothing by default, since it reads its certificate from the API. Neither volume is optional for
     the Pod's start alone: a pair may come later, a CA of clients that is missing must not mean that everybody is answered. */}}
{{- define "understudy.volumes" -}}
{{- $clients := .Values.serve.clientAuthentication -}}
{{- if or .Values.certificates.mounted $clients.secret $clients.configMap -}}
volumes:
  {{- if .Values.certificates.mounted }}
  - name: tls
    secret: {secretName: understudy-webhook-tls, optional: true}
  {{- end }}
  {{- if $clients.secret }}
  - name: clients
    secret: {secretName: {{ $clients.secret | quote }}, items: [{key: {{ $clients.key | quote }}, path: {{ $clients.key | quote }}}]}
  {{- else if $clients.configMap }}
  - name: clients
    configMap: {name: {{ $clients.configMap | quote }}, items: [{key: {{ $clients.key | quote }}, path: {{ $clients.key | quote }}}]}
  {{- end }}
{{- end }}
{{- end }}

{{- define "understudy.volumeMounts" -}}
{{- $clients := .Values.serve.clientAuthentication -}}
{{- if or .Values.certificates.mounted $clients.secret $clients.configMap -}}
volumeMounts:
  {{- if .Values.certificates.mounted }}
  - {name: tls, mountPath: /etc/understudy/tls, readOnly: true}
  {{- end }}
  {{- if or $clients.secret $clients.configMap }}
  - {name: clients, mountPath: /etc/understudy/clients, readOnly: true}
  {{- end }}
{{- end }}
{{- end }}

{{/* With cert-manager, its injector sets the caBundle of whatever carries this. */}}
{{- define "understudy.injection" -}}
{{- if .Values.certificates.certManager.enabled -}}
annotations: {cert-manager.io/inject-ca-from: "{{ .Release.Namespace }}/understudy-webhook"}
{{- end }}
{{- end }}
