{{/*
What each app is: its public port (the internal one is 1000 more), the first parts of its public paths, whether it has
a database of its own, whose internal routes it calls, and whether the operator writes to it.
*/}}
{{- define "payflow.catalog" -}}
payment:
  port: 3000
  paths: [/payments, /refunds]
  databases: [payment, processor]
  calls: [tenant, fraud]
  readsEvents: true
ledger:
  port: 3001
  paths: [/ledger]
  databases: [ledger]
  calls: [tenant, payment]
  readsEvents: true
notifier:
  port: 3002
  paths: [/webhook-endpoints, /webhook-deliveries]
  databases: [notifier]
  calls: [tenant]
  readsEvents: true
  isGoverned: true
tenant:
  port: 3003
  paths: [/tenants, /api-keys]
  databases: [tenant]
  calls: [tenant, notifier, payment]
  isGoverned: true
fraud:
  port: 3004
  paths: [/fraud]
  databases: [fraud]
  calls: [tenant]
  readsEvents: true
  isGoverned: true
ingest:
  port: 3005
  paths: [/v1]
  databases: []
  calls: [tenant, notifier]
  readsEvents: true
{{- end -}}

{{/* Whose internal routes the operator calls. */}}
{{- define "payflow.operatorCalls" -}}
[tenant, notifier, fraud]
{{- end -}}

{{/*
All there is to know of one app: the catalog's entry, and its settings over those of all apps.
(dict "root" $ "name" "payment")
*/}}
{{- define "payflow.about" -}}
{{- $about := get (include "payflow.catalog" . | fromYaml) .name -}}
{{- $own := get .root.Values.apps .name | default dict -}}
{{- $settings := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) -}}
{{- merge (dict "internalPort" (add (int $about.port) 1000) "settings" $settings) $about | toYaml -}}
{{- end -}}

{{/* The names of the apps that are installed, by comma, always in the same order. (the root) */}}
{{- define "payflow.installed" -}}
{{- $names := list -}}
{{- range $name := list "tenant" "payment" "fraud" "ledger" "notifier" "ingest" -}}
{{- if (get $.Values.apps $name).enabled -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/* Which apps call this one's internal routes, as a list in JSON. (dict "root" $ "name" "tenant") */}}
{{- define "payflow.callers" -}}
{{- $callers := list -}}
{{- range $caller, $entry := include "payflow.catalog" . | fromYaml -}}
{{- if has $.name $entry.calls -}}
{{- $callers = append $callers $caller -}}
{{- end -}}
{{- end -}}
{{- if and .root.Values.operator.enabled (has .name (include "payflow.operatorCalls" . | fromYamlArray)) -}}
{{- $callers = append $callers "operator" -}}
{{- end -}}
{{- toJson $callers -}}
{{- end -}}
