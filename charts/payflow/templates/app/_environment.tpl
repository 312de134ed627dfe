{{/*
What an app reads from its environment. It stands in the pod template itself: any change of it replaces the pods, and a
rollback brings back what was. (dict "root" $ "name" "payment" "about" …)
*/}}
{{- define "payflow.environment" -}}
{{- $values := .root.Values -}}
{{- $plain := dict
  "HOST" $values.listenAddress
  "PORT" (toString .about.port)
  "INTERNAL_PORT" (toString .about.internalPort)
  "LOG_LEVEL" $values.logLevel
  "EVENT_BUS" $values.eventBus
  "INSTALLED_APPS" (include "payflow.installed" .root)
-}}
{{- range .about.calls -}}
{{- $_ := set $plain (printf "%s_SERVICE_URL" (upper .)) (include "payflow.internalUrl" (dict "root" $.root "name" .)) -}}
{{- end -}}
{{- with $values.tracing.endpoint -}}
{{- $_ := set $plain "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- end -}}
{{- with $values.certificates.configMap -}}
{{- $_ := set $plain "NODE_EXTRA_CA_CERTS" (printf "/etc/payflow/certificates/%s" $values.certificates.key) -}}
{{- end -}}
{{- if eq $values.eventBus "kafka" -}}
{{- $plain = merge $plain (include "payflow.kafkaSettings" .root | fromYaml) -}}
{{- end -}}
{{- if .about.isGoverned -}}
{{- $plain = merge $plain (include "payflow.operatorSettings" .root | fromYaml) -}}
{{- end -}}
{{- if eq .name "tenant" -}}
{{- $_ := set $plain "TENANT_REGISTRATION" $values.tenants.registration -}}
{{- else if eq .name "notifier" -}}
{{- $_ := set $plain "WEBHOOK_ALLOW_PRIVATE" (toString $values.webhooks.allowPrivate) -}}
{{- else if and (eq .name "ingest") $values.ingest.exportsClaim -}}
{{- $_ := set $plain "INGEST_EXPORT_FOLDER" "/var/lib/payflow/exports" -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite $plain .about.settings.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "INTERNAL_SERVICE_SECRET" "kind" "platform" "key" "internal-service-secret") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "ADMIN_TOKEN" "kind" "platform" "key" "admin-token") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "REDIS_URL" "kind" "redis" "key" "cache-url") }}
{{- if or (eq $values.eventBus "redis") (eq .name "ingest") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "DURABLE_REDIS_URL" "kind" "redis" "key" "durable-url") }}
{{- end }}
{{- range .about.databases }}
{{- $variable := ternary "DATABASE_URL" (printf "%s_DATABASE_URL" (upper .)) (eq . $.name) }}
{{ include "payflow.fromSecret" (dict "root" $.root "variable" $variable "kind" "postgresql" "key" (printf "%s-url" .)) }}
{{- end }}
{{- if and (eq $values.eventBus "kafka") $values.kafka.sasl.mechanism }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "KAFKA_SASL_USERNAME" "kind" "kafka" "key" "username") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "KAFKA_SASL_PASSWORD" "kind" "kafka" "key" "password") }}
{{- end }}
{{- if eq .name "tenant" }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "API_KEY_SECRET" "kind" "platform" "key" "api-key-secret") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "API_KEY_SECRET_VERSION" "kind" "platform" "key" "api-key-secret-version" "optional" true) }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "API_KEY_PREVIOUS_SECRETS" "kind" "platform" "key" "api-key-previous-secrets" "optional" true) }}
{{- else if eq .name "notifier" }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "WEBHOOK_ENCRYPTION_KEY" "kind" "platform" "key" "webhook-encryption-key") }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "WEBHOOK_PREVIOUS_ENCRYPTION_KEYS" "kind" "platform" "key" "webhook-previous-encryption-keys" "optional" true) }}
{{- else if eq .name "ingest" }}
{{ include "payflow.fromSecret" (dict "root" .root "variable" "INGEST_REDIS_URL" "kind" "redis" "key" "ingest-url" "optional" true) }}
{{- end }}
{{- end -}}

{{/* Where an app's internal routes are, from within the release's namespace. (dict "root" $ "name" "tenant") */}}
{{- define "payflow.internalUrl" -}}
{{- $entry := get (include "payflow.catalog" . | fromYaml) .name -}}
{{- printf "http://%s:%d" (include "payflow.name" .) (add (int $entry.port) 1000) -}}
{{- end -}}

{{/* (the root) */}}
{{- define "payflow.kafkaSettings" -}}
{{- with .Values.kafka -}}
KAFKA_BROKERS: {{ ternary (printf "%s:9092" (include "payflow.name" (dict "root" $ "name" "kafka"))) .brokers $.Values.dev.enabled | quote }}
KAFKA_PARTITIONS: {{ .partitions | quote }}
KAFKA_REPLICATION: {{ ternary 1 .replication $.Values.dev.enabled | quote }}
KAFKA_RETENTION_HOURS: {{ .retentionHours | quote }}
{{- if .prefix }}
KAFKA_PREFIX: {{ .prefix | quote }}
{{- end }}
{{- if .sasl.mechanism }}
KAFKA_SASL_MECHANISM: {{ .sasl.mechanism }}
{{- end }}
{{- if .tls.enabled }}
KAFKA_TLS: "true"
{{- end }}
{{- if .tls.secret }}
KAFKA_TLS_CA_FILE: /etc/payflow/kafka/ca.crt
{{- if .tls.clientCertificate }}
KAFKA_TLS_CERT_FILE: /etc/payflow/kafka/tls.crt
KAFKA_TLS_KEY_FILE: /etc/payflow/kafka/tls.key
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* How the apps that the operator writes to know it. (the root) */}}
{{- define "payflow.operatorSettings" -}}
{{- with .Values.operator -}}
{{- if and .enabled (ne .authentication "secret") -}}
OPERATOR_AUTH: {{ .authentication }}
OPERATOR_ACCOUNTS: {{ printf "%s/%s" $.Release.Namespace (include "payflow.name" (dict "root" $ "name" "operator")) }}
{{- if eq .authentication "jwks" }}
OPERATOR_TOKEN_ISSUER: {{ .tokenIssuer }}
{{- end }}
{{- else -}}
OPERATOR_AUTH: secret
{{- end -}}
{{- end -}}
{{- end -}}
