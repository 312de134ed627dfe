{{/* What the schema cannot say: settings that need one another. Each message says what to do. (the root) */}}
{{- define "payflow.validate" -}}
{{- $problems := list -}}
{{- if and (eq .Values.eventBus "kafka") (not .Values.dev.enabled) (not .Values.kafka.brokers) -}}
{{- $problems = append $problems "kafka.brokers is missing: name the brokers as host:port by comma, or set eventBus to redis." -}}
{{- end -}}
{{- if and .Values.dev.enabled (eq .Values.eventBus "kafka") (not .Values.dev.kafka.enabled) -}}
{{- $problems = append $problems "dev.enabled has no Kafka of its own unless dev.kafka.enabled: set that, or eventBus to redis." -}}
{{- end -}}
{{- if and .Values.dev.enabled (eq .Values.eventBus "kafka") (or .Values.kafka.sasl.mechanism .Values.kafka.tls.enabled .Values.kafka.tls.secret) -}}
{{- $problems = append $problems "kafka.sasl and kafka.tls are for Kafka of your own: that of dev.kafka has neither. Leave them out." -}}
{{- end -}}
{{- if and .Values.kafka.sasl.mechanism (not .Values.secrets.kafka) (not .Values.dev.enabled) -}}
{{- $problems = append $problems "secrets.kafka is missing: kafka.sasl.mechanism needs a Secret with username and password." -}}
{{- end -}}
{{- if and .Values.operator.enabled .Values.operator.watchNamespaces (not .Values.operator.clusterName) -}}
{{- $problems = append $problems "operator.clusterName is missing: with operator.watchNamespaces the operator may not look at the cluster's own name. Choose one, and keep it." -}}
{{- end -}}
{{- if and .Values.operator.enabled (eq .Values.operator.authentication "jwks") (not .Values.operator.tokenIssuer) -}}
{{- $problems = append $problems "operator.tokenIssuer is missing: kubectl get --raw /.well-known/openid-configuration tells it." -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- $problems = append $problems "gateway.parentRefs is missing: name the Gateway that the routes belong to." -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitors .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- $problems = append $problems "networkPolicy.metricsFrom is missing: nobody may read what monitoring.serviceMonitors names. Name Prometheus's namespace or pods." -}}
{{- end -}}
{{- if not .Values.apps.tenant.enabled -}}
{{- $problems = append $problems "apps.tenant.enabled must be true: every other app asks it for keys." -}}
{{- end -}}
{{- range $name, $settings := .Values.apps -}}
{{- $autoscaling := (mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $settings)).autoscaling -}}
{{- if and (ne $autoscaling.kind "none") (gt (int $autoscaling.minReplicas) (int $autoscaling.maxReplicas)) -}}
{{- $problems = append $problems (printf "apps.%s.autoscaling: minReplicas is more than maxReplicas." $name) -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}
