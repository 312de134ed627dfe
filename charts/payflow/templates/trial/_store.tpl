{{/*
One store of a trial: a single pod and its Service. It is as durable as its volume, and gone while its node is.
(dict "root" $ "name" "postgresql" "port" 5432 "image" … "user" 999 "path" … plus "size" where it keeps anything, and the
container's own "command", "env", "mounts" and "volumes", as texts)
*/}}
{{- define "payflow.store" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "payflow.selector" . | nindent 4 }}
  ports:
    - { name: store, port: {{ .port }}, targetPort: store }
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  serviceName: {{ include "payflow.name" . }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "payflow.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "payflow.podLabels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .user }}
        runAsGroup: {{ .user }}
        fsGroup: {{ .user }}
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: { type: RuntimeDefault }
      {{- include "payflow.nodes" .root.Values.defaults | nindent 6 }}
      containers:
        - name: {{ .name }}
          image: {{ .image }}
          imagePullPolicy: IfNotPresent
          {{- with .command }}
          {{- . | nindent 10 }}
          {{- end }}
          securityContext:
            {{- include "payflow.containerSecurity" . | nindent 12 }}
          ports:
            - { name: store, containerPort: {{ .port }} }
          {{- with .env }}
          env:
            {{- . | nindent 12 }}
          {{- end }}
          startupProbe: { tcpSocket: { port: store }, periodSeconds: 1, failureThreshold: 180 }
          livenessProbe: { tcpSocket: { port: store }, periodSeconds: 10, failureThreshold: 6 }
          readinessProbe: { tcpSocket: { port: store }, periodSeconds: 2 }
          resources:
            requests: { cpu: 50m, memory: {{ .memory }}, ephemeral-storage: 64Mi }
            limits: { memory: {{ .memoryLimit }}, ephemeral-storage: 512Mi }
          volumeMounts:
            - { name: data, mountPath: {{ .path }} }
            - { name: scratch, mountPath: /tmp }
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - { name: scratch, emptyDir: { sizeLimit: 256Mi } }
        {{- if not .size }}
        - { name: data, emptyDir: { sizeLimit: 64Mi } }
        {{- end }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
  {{- with .size }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $.root.Values.dev.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: { requests: { storage: {{ . }} } }
  {{- end }}
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "payflow.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "payflow.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "payflow.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels: { app.kubernetes.io/name: payflow, app.kubernetes.io/instance: {{ .root.Release.Name }} }
      ports:
        - { port: store, protocol: TCP }
  egress:
    # Its own, by its Service, and names.
    - to:
        - podSelector:
            matchLabels:
              {{- include "payflow.selector" . | nindent 14 }}
    - ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
{{- end }}
{{- end -}}
