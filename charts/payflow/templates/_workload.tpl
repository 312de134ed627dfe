{{/*
A Deployment: what the apps and the operator have alike. (dict "root" $ "name" "payment" "about" … and, where components
differ: "replicas", if nothing else has a say in them; "grace" in seconds; "reads", a list of KIND/NAME that pods read at
their start; "env", and perhaps "initContainers", "lifecycle", "mounts" and "volumes", as texts)
*/}}
{{- define "payflow.workload" -}}
{{- $values := .root.Values -}}
{{- $settings := .about.settings -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # Time for a new node, for the image and for migrations; a start that fails by its probe is seen before.
  progressDeadlineSeconds: 600
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  selector:
    matchLabels:
      {{- include "payflow.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "payflow.podLabels" (merge (dict "further" $settings.podLabels) .) | nindent 8 }}
      annotations:
        {{- $annotations := dict
          "kubectl.kubernetes.io/default-container" .name
          "checksum/secrets" (include "payflow.secretsRevision" (dict "root" .root "reads" .reads))
        }}
        {{- merge $annotations $settings.podAnnotations | toYaml | nindent 8 }}
    spec:
      {{- include "payflow.placement" (dict "root" .root "name" .name "settings" $settings) | nindent 6 }}
      terminationGracePeriodSeconds: {{ .grace }}
      {{- with .initContainers }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "payflow.image" .root }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [{{ .name }}]
          securityContext:
            {{- include "payflow.containerSecurity" . | nindent 12 }}
          ports:
            {{- if .about.port }}
            - { name: http, containerPort: {{ .about.port }} }
            {{- end }}
            - { name: internal, containerPort: {{ .about.internalPort }} }
          env:
            {{- .env | trim | nindent 12 }}
          {{- include "payflow.probes" . | nindent 10 }}
          {{- with .lifecycle }}
          lifecycle:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $settings.resources | nindent 12 }}
          volumeMounts:
            - { name: scratch, mountPath: /tmp }
            {{- with .mounts | default "" | trim }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - name: scratch
          emptyDir: { sizeLimit: {{ $settings.scratchSize }} }
        {{- with .volumes | default "" | trim }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}
