{{- define "payflow.serviceMonitor" -}}
{{- with .root.Values.monitoring -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "payflow.name" $ }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" $ | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
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
What files/rules says of every app and of this one. There `@pods` stands for the labels of this release's series of
the app; everything else is Prometheus's own.
*/}}
{{- define "payflow.prometheusRule" -}}
{{- $pods := printf `namespace="%s",service="%s"` .root.Release.Namespace (include "payflow.name" .) -}}
{{- $own := .root.Files.Get (printf "files/rules/%s.yaml" .name) -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
    {{- with .root.Values.monitoring.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
    - name: {{ include "payflow.name" . }}
      rules:
        {{- .root.Files.Get "files/rules/every.yaml" | replace "@pods" $pods | replace "@app" .name | nindent 8 }}
        {{- with $own }}
        {{- . | replace "@pods" $pods | replace "@app" $.name | nindent 8 }}
        {{- end }}
{{- end -}}
