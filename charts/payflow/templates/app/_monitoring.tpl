{{- define "payflow.serviceMonitor" -}}
{{- with .root.Values.monitoring -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "payflow.name" $ }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" (merge (dict "further" .labels) $) | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/component
  selector:
    matchLabels:
      {{- include "payflow.selector" $ | nindent 6 }}
  endpoints:
    - port: internal
      path: /metrics
      interval: {{ .interval }}
{{- end -}}
{{- end -}}

{{/*
What files/rules says of every app, of those that read events, and of this one. There `@pods` stands for the labels of
this release's series of the app, and `@app` for its name; everything else is Prometheus's own.
*/}}
{{- define "payflow.prometheusRule" -}}
{{- $pods := printf `namespace="%s",service="%s"` .root.Release.Namespace (include "payflow.name" .) -}}
{{- $files := list "every" .name -}}
{{- if .about.readsEvents -}}
{{- $files = list "every" "consumers" .name -}}
{{- end -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" (merge (dict "further" .root.Values.monitoring.labels) .) | nindent 4 }}
spec:
  groups:
    - name: {{ include "payflow.name" . }}
      rules:
        {{- range $files }}
        {{- $.root.Files.Get (printf "files/rules/%s.yaml" .) | replace "@pods" $pods | replace "@app" $.name | nindent 8 }}
        {{- end }}
{{- end -}}
