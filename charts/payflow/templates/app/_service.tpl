{{- define "payflow.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
  {{- with .about.settings.serviceAccountAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/* Routes lead to `http` alone; `internal` is for our own pods and for metrics. */}}
{{- define "payflow.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "payflow.selector" . | nindent 4 }}
  ports:
    {{- if .about.port }}
    - { name: http, port: {{ .about.port }}, targetPort: http, appProtocol: http }
    {{- end }}
    - { name: internal, port: {{ .about.internalPort }}, targetPort: internal, appProtocol: http }
{{- end -}}

{{- define "payflow.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .about.settings.maxUnavailable }}
  # A pod that does not work is no reason to keep a node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "payflow.selector" . | nindent 6 }}
{{- end -}}
