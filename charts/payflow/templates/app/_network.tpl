{{/*
Who may reach a component, and whom it may reach. Stores and collectors are elsewhere, under addresses that no chart
knows: for them it is ports that are named, and addresses where networkPolicy.storeCidrs says which.
(dict "root" $ "name" "payment" "about" …)
*/}}
{{- define "payflow.networkPolicy" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $callers := include "payflow.callers" . | fromJsonArray -}}
{{- $asksCluster := or (eq .name "operator") (and .about.isGoverned .root.Values.operator.enabled (ne .root.Values.operator.authentication "secret")) -}}
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
    {{- if .about.port }}
    - from:
        {{- toYaml $policy.publicFrom | nindent 8 }}
        # helm test
        - podSelector:
            matchLabels:
              {{- include "payflow.selector" (dict "root" .root "name" "test") | nindent 14 }}
      ports:
        - { port: http, protocol: TCP }
    {{- end }}
    {{- with $callers }}
    - from:
        {{- range . }}
        - podSelector:
            matchLabels:
              {{- include "payflow.selector" (dict "root" $.root "name" .) | nindent 14 }}
        {{- end }}
      ports:
        - { port: internal, protocol: TCP }
    {{- end }}
    {{- with $policy.metricsFrom }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - { port: internal, protocol: TCP }
    {{- end }}
  egress:
    - ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
    {{- range .about.calls }}
    {{- $callee := include "payflow.about" (dict "root" $.root "name" .) | fromYaml }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "payflow.selector" (dict "root" $.root "name" .) | nindent 14 }}
      ports:
        - { port: {{ $callee.internalPort }}, protocol: TCP }
    {{- end }}
    {{- if ne .name "operator" }}
    - to:
        {{- include "payflow.addresses" $policy.storeCidrs | nindent 8 }}
      ports:
        {{- range $policy.storePorts }}
        - { port: {{ . }}, protocol: TCP }
        {{- end }}
    {{- end }}
    {{- if .root.Values.tracing.endpoint }}
    - ports:
        - { port: {{ (urlParse .root.Values.tracing.endpoint).host | splitList ":" | last | regexFind "^[0-9]+$" | default "4318" }}, protocol: TCP }
    {{- end }}
    {{- if $asksCluster }}
    - to:
        {{- include "payflow.addresses" $policy.apiServerCidrs | nindent 8 }}
      ports:
        {{- range $policy.apiServerPorts }}
        - { port: {{ . }}, protocol: TCP }
        {{- end }}
    {{- end }}
    {{- if eq .name "notifier" }}
    # Webhooks go to whatever address is public; the app itself looks at each before it connects.
    - to:
        {{- if .root.Values.webhooks.allowPrivate }}
        {{- include "payflow.addresses" (list "0.0.0.0/0" "::/0") | nindent 8 }}
        {{- else }}
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
        - ipBlock:
            cidr: "::/0"
            except: ["::1/128", "fc00::/7", "fe80::/10"]
        {{- end }}
    {{- else if eq .name "ingest" }}
    # Buckets that events are exported to.
    - to:
        {{- include "payflow.addresses" $policy.exportCidrs | nindent 8 }}
      ports:
        - { port: 443, protocol: TCP }
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* (a list of CIDRs) */}}
{{- define "payflow.addresses" -}}
{{- range . }}
- ipBlock: { cidr: {{ . | quote }} }
{{- end }}
{{- end -}}
