{{/* (dict "root" $ "name" "payment" "about" …) */}}
{{- define "payflow.deployment" -}}
{{- $values := .root.Values -}}
{{- $settings := .about.settings -}}
{{- $asksCluster := and .about.isGoverned $values.operator.enabled (ne $values.operator.authentication "secret") -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  {{- if eq $settings.autoscaling.kind "none" }}
  replicas: {{ $settings.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # Longer than a pod's start may take by its probe, so that helm says what is wrong.
  progressDeadlineSeconds: 180
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  selector:
    matchLabels:
      {{- include "payflow.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "payflow.podLabels" . | nindent 8 }}
        {{- with $settings.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .name }}
        checksum/secrets: {{ include "payflow.secretsRevision" .root | quote }}
        {{- with $settings.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "payflow.placement" (dict "root" .root "name" .name "settings" $settings) | nindent 6 }}
      # Balancers stop sending, then the process ends what it accepted, which it gives itself 25 seconds for.
      terminationGracePeriodSeconds: {{ add (int $settings.preStopSeconds) 30 }}
      {{- if .about.databases }}
      initContainers:
        {{- include "payflow.migration" . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "payflow.image" .root }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [{{ .name }}]
          securityContext:
            {{- include "payflow.containerSecurity" . | nindent 12 }}
          ports:
            - { name: http, containerPort: {{ .about.port }} }
            - { name: internal, containerPort: {{ .about.internalPort }} }
          env:
            {{- include "payflow.environment" . | trim | nindent 12 }}
          {{- include "payflow.probes" . | nindent 10 }}
          lifecycle:
            preStop: { sleep: { seconds: {{ $settings.preStopSeconds }} } }
          resources:
            {{- toYaml $settings.resources | nindent 12 }}
          volumeMounts:
            - { name: scratch, mountPath: /tmp }
            {{- include "payflow.certificateMounts" .root | nindent 12 }}
            {{- if $asksCluster }}
            {{- include "payflow.accountMount" . | nindent 12 }}
            {{- end }}
            {{- if and (eq .name "ingest") $values.ingest.exportsClaim }}
            - { name: exports, mountPath: /var/lib/payflow/exports }
            {{- end }}
      volumes:
        - name: scratch
          emptyDir: { sizeLimit: {{ $settings.scratchSize }} }
        {{- include "payflow.certificateVolumes" .root | nindent 8 }}
        {{- if $asksCluster }}
        {{- include "payflow.accountVolume" . | nindent 8 }}
        {{- end }}
        {{- if and (eq .name "ingest") $values.ingest.exportsClaim }}
        - name: exports
          persistentVolumeClaim: { claimName: {{ $values.ingest.exportsClaim }} }
        {{- end }}
{{- end -}}

{{/*
Brings the app's databases up to date before it starts. Replicas take turns under a lock of the database's; old ones
may be running meanwhile. It alone knows the owner's role.
*/}}
{{- define "payflow.migration" -}}
- name: migrate
  image: {{ include "payflow.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [migrate, {{ .name }}]
  securityContext:
    {{- include "payflow.containerSecurity" . | nindent 4 }}
  env:
    {{- with .root.Values.certificates.configMap }}
    - { name: NODE_EXTRA_CA_CERTS, value: /etc/payflow/certificates/{{ $.root.Values.certificates.key }} }
    {{- end }}
    {{- range .about.databases }}
    {{- $variable := ternary "DATABASE_OWNER_URL" (printf "%s_DATABASE_OWNER_URL" (upper .)) (eq . $.name) }}
    {{- include "payflow.fromSecret" (dict "root" $.root "variable" $variable "kind" "postgresql" "key" (printf "%s-owner-url" .)) | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .about.settings.resources | nindent 4 }}
  volumeMounts:
    - { name: scratch, mountPath: /tmp }
    {{- include "payflow.certificateMounts" .root | nindent 4 }}
{{- end -}}

{{/* Authorities of the stores' certificates, where they are not everybody's. (the root) */}}
{{- define "payflow.certificateMounts" -}}
{{- if .Values.certificates.configMap }}
- { name: certificates, mountPath: /etc/payflow/certificates, readOnly: true }
{{- end }}
{{- if and (eq .Values.eventBus "kafka") .Values.kafka.tls.secret }}
- { name: kafka, mountPath: /etc/payflow/kafka, readOnly: true }
{{- end }}
{{- end -}}

{{- define "payflow.certificateVolumes" -}}
{{- with .Values.certificates.configMap }}
- { name: certificates, configMap: { name: {{ . }}, defaultMode: 0444 } }
{{- end }}
{{- if and (eq .Values.eventBus "kafka") .Values.kafka.tls.secret }}
- { name: kafka, secret: { secretName: {{ .Values.kafka.tls.secret }}, defaultMode: 0440 } }
{{- end }}
{{- end -}}
