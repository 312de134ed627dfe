{{/*
Who may reach a component, and whom it may reach. Stores, collectors and the cluster's API are under addresses that no
chart knows: for them it is ports that are named, and addresses where the values say which. Where they do not, a rule
names no addresses at all: 0.0.0.0/0 would leave out pods and nodes with some network plugins.
(dict "root" $ "name" "payment" "about" …)
*/}}
{{- define "payflow.networkPolicy" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $callers := include "payflow.callers" . | fromJsonArray -}}
{{- $asksCluster := or (eq .name "operator") (include "payflow.asksCluster" .) -}}
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
    - ports:
        {{- include "payflow.tcp" $policy.storePorts | nindent 8 }}
      {{- if not .root.Values.dev.enabled }}
      {{- include "payflow.destinations" (dict "cidrs" $policy.storeCidrs "peers" $policy.storePeers) | nindent 6 }}
      {{- else }}
      to:
        {{- range list "postgresql" "redis-cache" "redis-durable" "kafka" }}
        - podSelector:
            matchLabels:
              {{- include "payflow.selector" (dict "root" $.root "name" .) | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- with .root.Values.tracing.endpoint }}
    - ports:
        {{- include "payflow.tcp" (list ((urlParse .).host | splitList ":" | last | regexFind "^[0-9]+$" | default (ternary "443" "80" (hasPrefix "https:" .)))) | nindent 8 }}
    {{- end }}
    {{- if $asksCluster }}
    - ports:
        {{- include "payflow.tcp" $policy.apiServerPorts | nindent 8 }}
      {{- include "payflow.destinations" (dict "cidrs" $policy.apiServerCidrs) | nindent 6 }}
    {{- end }}
    {{- if eq .name "notifier" }}
    # Webhooks go to whatever address is public; the app itself looks at each before it connects.
    {{- if .root.Values.webhooks.allowPrivate }}
    - {}
    {{- else }}
    - to:
        {{- include "payflow.publicAddresses" . | nindent 8 }}
    {{- end }}
    {{- else if eq .name "ingest" }}
    # Buckets that events are exported to.
    - ports:
        {{- include "payflow.tcp" (list 443) | nindent 8 }}
      {{- include "payflow.destinations" (dict "cidrs" $policy.exportCidrs) | nindent 6 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* (a list of ports) */}}
{{- define "payflow.tcp" -}}
{{- range . }}
- { port: {{ . }}, protocol: TCP }
{{- end }}
{{- end -}}

{{/* Where a rule's ports may be; anywhere where nothing is said. (dict "cidrs" … "peers" …) */}}
{{- define "payflow.destinations" -}}
{{- if or .cidrs .peers -}}
to:
  {{- range .cidrs }}
  - ipBlock: { cidr: {{ . | quote }} }
  {{- end }}
  {{- with .peers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Those of the public internet, as notifier sees it: see RFC 6890 and IANA's registries. */}}
{{- define "payflow.publicAddresses" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 0.0.0.0/8
      - 10.0.0.0/8
      - 100.64.0.0/10
      - 127.0.0.0/8
      - 169.254.0.0/16
      - 172.16.0.0/12
      - 192.0.0.0/24
      - 192.0.2.0/24
      - 192.31.196.0/24
      - 192.52.193.0/24
      - 192.88.99.0/24
      - 192.168.0.0/16
      - 192.175.48.0/24
      - 198.18.0.0/15
      - 198.51.100.0/24
      - 203.0.113.0/24
      - 224.0.0.0/3
- ipBlock:
    cidr: 2000::/3
    except: ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"]
{{- end -}}
