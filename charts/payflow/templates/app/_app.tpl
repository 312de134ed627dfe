{{/* Every object of one app, each a document. (dict "root" $ "name" "payment") */}}
{{- define "payflow.app" -}}
{{- $app := merge (dict "about" (include "payflow.about" . | fromYaml)) . -}}
{{- $parts := list "serviceAccount" "service" "deployment" "podDisruptionBudget" -}}
{{- $scaling := $app.about.settings.autoscaling.kind -}}
{{- if eq $scaling "hpa" -}}
{{- $parts = append $parts "horizontalPodAutoscaler" -}}
{{- else if eq $scaling "keda" -}}
{{- $parts = append $parts "scaledObject" -}}
{{- end -}}
{{- include "payflow.documents" (dict "app" $app "parts" (concat $parts (include "payflow.watching" .root | fromJsonArray))) -}}
{{- end -}}

{{/* What the apps and the operator have besides, where it is wanted. (the root) */}}
{{- define "payflow.watching" -}}
{{- $parts := list -}}
{{- if .Values.networkPolicy.enabled -}}
{{- $parts = append $parts "networkPolicy" -}}
{{- end -}}
{{- if .Values.monitoring.serviceMonitors -}}
{{- $parts = append $parts "serviceMonitor" -}}
{{- end -}}
{{- if .Values.monitoring.rules -}}
{{- $parts = append $parts "prometheusRule" -}}
{{- end -}}
{{- toJson $parts -}}
{{- end -}}

{{- define "payflow.documents" -}}
{{- range .parts }}
---
{{ include (printf "payflow.%s" .) $.app }}
{{- end }}
{{- end -}}
