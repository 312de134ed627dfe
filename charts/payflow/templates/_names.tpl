{{/*
What all names begin with: the release's, and the chart's where that does not say it. A StatefulSet's pods have a label of
its name and eleven characters more, of 63 in all.
*/}}
{{- define "payflow.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 38 | trimSuffix "-" -}}
{{- else if contains "payflow" .Release.Name -}}
{{- .Release.Name | trunc 38 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-payflow" (.Release.Name | trunc 30 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* The name of a component's objects. (dict "root" $ "name" "payment") */}}
{{- define "payflow.name" -}}
{{- printf "%s-%s" (include "payflow.fullname" .root) .name -}}
{{- end -}}

{{/* The names of cluster-wide objects hold the namespace: releases elsewhere may have our name. (the root) */}}
{{- define "payflow.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "payflow.fullname" .) -}}
{{- end -}}

{{/* By what a component's pods are found, for as long as the release lives. (dict "root" $ "name" "payment") */}}
{{- define "payflow.selector" -}}
app.kubernetes.io/name: payflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/*
Of pods: nothing that a version changes, lest an upgrade replaced pods that stay as they are.
(dict "root" $ "name" "payment", and "further" labels if there are any)
*/}}
{{- define "payflow.podLabels" -}}
{{- $own := merge (include "payflow.selector" . | fromYaml) (dict "app.kubernetes.io/part-of" "payflow") -}}
{{- merge $own (.further | default dict) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Of objects. (dict "root" $ "name" "payment", and "further" labels if there are any) */}}
{{- define "payflow.labels" -}}
{{- $version := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | toString)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")
-}}
{{- merge $version (include "payflow.podLabels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* A digest says which image it is; a tag may be moved. (the root) */}}
{{- define "payflow.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret that holds a kind of secrets: platform, postgresql, redis or kafka. (dict "root" $ "kind" "platform") */}}
{{- define "payflow.secret" -}}
{{- if .root.Values.dev.enabled -}}
{{- include "payflow.name" (dict "root" .root "name" "trial") -}}
{{- else -}}
{{- get .root.Values.secrets .kind -}}
{{- end -}}
{{- end -}}
