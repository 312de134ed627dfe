{{/* (dict "root" $ "name" "payment" "about" …) */}}
{{- define "payflow.deployment" -}}
{{- $settings := .about.settings -}}
{{- /* Balancers stop sending, then the process ends what it accepted, which it gives itself 25 seconds for. */ -}}
{{- $seconds := int $settings.preStopSeconds -}}
{{- $differing := dict
  "grace" (add $seconds 30)
  "reads" (include "payflow.reads" . | fromYamlArray)
  "env" (include "payflow.environment" .)
  "mounts" (include "payflow.mounts" .)
  "volumes" (include "payflow.volumes" .)
-}}
{{- if eq $settings.autoscaling.kind "none" -}}
{{- $_ := set $differing "replicas" $settings.replicas -}}
{{- end -}}
{{- /* Kubernetes took no sleep of 0 seconds before 1.33. */ -}}
{{- if gt $seconds 0 -}}
{{- $_ := set $differing "lifecycle" (printf "preStop: { sleep: { seconds: %d } }" $seconds) -}}
{{- end -}}
{{- if .about.databases -}}
{{- $_ := set $differing "initContainers" (include "payflow.migration" .) -}}
{{- end -}}
{{- include "payflow.workload" (merge $differing .) -}}
{{- end -}}

{{/* Whether an app asks the cluster whose a token is; empty for no. (dict "root" $ "name" "payment" "about" …) */}}
{{- define "payflow.asksCluster" -}}
{{- if and .about.isGoverned .root.Values.operator.enabled (ne .root.Values.operator.authentication "secret") -}}
yes
{{- end -}}
{{- end -}}

{{/* What an app's pods read at their start, as a list of KIND/NAME. (dict "root" $ "name" "payment" "about" …) */}}
{{- define "payflow.reads" -}}
{{- $values := .root.Values -}}
{{- $kinds := list "platform" "redis" -}}
{{- if .about.databases -}}
{{- $kinds = append $kinds "postgresql" -}}
{{- end -}}
{{- $onKafka := eq $values.eventBus "kafka" -}}
{{- if and $onKafka $values.kafka.sasl.mechanism -}}
{{- $kinds = append $kinds "kafka" -}}
{{- end -}}
{{- /* A trial's own is made by this release, once. */ -}}
{{- if not $values.dev.enabled -}}
{{- range $kinds }}
- Secret/{{ include "payflow.secret" (dict "root" $.root "kind" .) }}
{{- end -}}
{{- end -}}
{{- if and $onKafka $values.kafka.tls.secret }}
- Secret/{{ $values.kafka.tls.secret }}
{{- end -}}
{{- with $values.certificates.configMap }}
- ConfigMap/{{ . }}
{{- end -}}
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
    {{- include "payflow.certificateMount" .root | nindent 4 }}
{{- end -}}

{{/* Authorities of the stores' certificates, where they are not everybody's. (the root) */}}
{{- define "payflow.certificateMount" -}}
{{- if .Values.certificates.configMap }}
- { name: certificates, mountPath: /etc/payflow/certificates, readOnly: true }
{{- end }}
{{- end -}}

{{- define "payflow.mounts" -}}
{{- $values := .root.Values -}}
{{- include "payflow.certificateMount" .root }}
{{- if and (eq $values.eventBus "kafka") $values.kafka.tls.secret }}
- { name: kafka, mountPath: /etc/payflow/kafka, readOnly: true }
{{- end }}
{{- if include "payflow.asksCluster" . }}
{{ include "payflow.accountMount" . }}
{{- end }}
{{- if and (eq .name "ingest") $values.ingest.exportsClaim }}
- { name: exports, mountPath: /var/lib/payflow/exports }
{{- end }}
{{- end -}}

{{- define "payflow.volumes" -}}
{{- $values := .root.Values -}}
{{- with $values.certificates.configMap }}
- { name: certificates, configMap: { name: {{ . }}, defaultMode: 0444 } }
{{- end }}
{{- if and (eq $values.eventBus "kafka") $values.kafka.tls.secret }}
- { name: kafka, secret: { secretName: {{ $values.kafka.tls.secret }}, defaultMode: 0440 } }
{{- end }}
{{- if include "payflow.asksCluster" . }}
{{ include "payflow.accountVolume" . }}
{{- end }}
{{- if and (eq .name "ingest") $values.ingest.exportsClaim }}
- name: exports
  persistentVolumeClaim: { claimName: {{ $values.ingest.exportsClaim }} }
{{- end }}
{{- end -}}
