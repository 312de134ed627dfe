{{- define "payflow.horizontalPodAutoscaler" -}}
{{- $autoscaling := .about.settings.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ include "payflow.name" . }} }
  minReplicas: {{ $autoscaling.minReplicas }}
  maxReplicas: {{ $autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: {{ $autoscaling.cpuPercent }} } }
  behavior:
    # A pod that goes makes consumers share again what they read: not for every lull.
    scaleDown: { stabilizationWindowSeconds: 300 }
{{- end -}}

{{/* By processor time, and where the app reads events from Kafka by how many it is behind. */}}
{{- define "payflow.scaledObject" -}}
{{- $autoscaling := .about.settings.autoscaling -}}
{{- $kafka := .root.Values.kafka -}}
{{- $settings := include "payflow.kafkaSettings" .root | fromYaml -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ include "payflow.name" . }} }
  minReplicaCount: {{ $autoscaling.minReplicas }}
  maxReplicaCount: {{ $autoscaling.maxReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown: { stabilizationWindowSeconds: 300 }
  triggers:
    - type: cpu
      metricType: Utilization
      metadata: { value: {{ $autoscaling.cpuPercent | quote }} }
    {{- if and .about.readsEvents (eq .root.Values.eventBus "kafka") }}
    - type: kafka
      metadata:
        bootstrapServers: {{ $settings.KAFKA_BROKERS | quote }}
        # All topics of the group.
        consumerGroup: {{ printf "%s%s" $kafka.prefix .name }}
        lagThreshold: {{ $autoscaling.lagEvents | quote }}
        {{- if $kafka.sasl.mechanism }}
        sasl: {{ get (dict "scram-sha-512" "scram_sha512" "scram-sha-256" "scram_sha256" "plain" "plaintext") $kafka.sasl.mechanism }}
        {{- end }}
        {{- if or $kafka.tls.enabled $kafka.tls.secret }}
        tls: enable
        {{- end }}
      {{- if or $kafka.sasl.mechanism $kafka.tls.secret }}
      authenticationRef: { name: {{ include "payflow.name" (dict "root" .root "name" "kafka") }} }
      {{- end }}
    {{- end }}
{{- end -}}

{{/* With what KEDA asks Kafka. (the root) */}}
{{- define "payflow.triggerAuthentication" -}}
{{- $about := dict "root" . "name" "kafka" -}}
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ include "payflow.name" $about }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "payflow.labels" $about | nindent 4 }}
spec:
  secretTargetRef:
    {{- if .Values.kafka.sasl.mechanism }}
    {{- range list "username" "password" }}
    - { parameter: {{ . }}, name: {{ include "payflow.secret" (dict "root" $ "kind" "kafka") }}, key: {{ . }} }
    {{- end }}
    {{- end }}
    {{- with .Values.kafka.tls.secret }}
    - { parameter: ca, name: {{ . }}, key: ca.crt }
    {{- if $.Values.kafka.tls.clientCertificate }}
    - { parameter: cert, name: {{ . }}, key: tls.crt }
    - { parameter: key, name: {{ . }}, key: tls.key }
    {{- end }}
    {{- end }}
{{- end -}}
