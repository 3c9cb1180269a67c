{{/* Arguments that both programs take: who is exempt. The ValidatingAdmissionPolicies hold the same lists. */}}
{{- define "understudy.arguments" -}}
{{- $arguments := list -}}
{{- range .Values.exempt.users }}{{ $arguments = append $arguments (printf "--exempt-user=%s" .) }}{{ end -}}
{{- range .Values.exempt.groups }}{{ $arguments = append $arguments (printf "--exempt-group=%s" .) }}{{ end -}}
{{- if $arguments }}{{ toYaml $arguments }}{{ end -}}
{{- end }}
