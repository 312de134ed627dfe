{{/* What every container of ours may do: nothing but its work. */}}
{{- define "payflow.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "payflow.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/*
Where a component's pods run, and as whom. Topology spreads them; what else is wanted stands in the settings.
(dict "root" $ "name" "payment" "settings" …)
*/}}
{{- define "payflow.placement" -}}
serviceAccountName: {{ include "payflow.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "payflow.podSecurity" . | nindent 2 }}
{{- include "payflow.pullSecrets" .root }}
{{- include "payflow.nodes" .settings }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $.settings.topologySpread }}
    # Nodes that take no pods just now, as while they are drained, are none to spread over.
    nodeTaintsPolicy: Honor
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "payflow.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* (the root) */}}
{{- define "payflow.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* On which nodes pods may run. (the settings of a component) */}}
{{- define "payflow.nodes" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The pod's own account for the API, where it is used: as the kubelet would mount it by itself. */}}
{{- define "payflow.accountVolume" -}}
- name: account
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI:
          items:
            - { path: namespace, fieldRef: { fieldPath: metadata.namespace } }
{{- end -}}

{{- define "payflow.accountMount" -}}
- name: account
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{/* An entry of env from a Secret. (dict "root" $ "variable" … "kind" "platform" "key" … "optional" false) */}}
{{- define "payflow.fromSecret" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "payflow.secret" . }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/*
Changes when something does that pods read at their start, as far as Helm sees it, so that the next upgrade starts them
anew; where Helm only renders, secrets.revision says it. (dict "root" $ "reads" a list of KIND/NAME)
*/}}
{{- define "payflow.secretsRevision" -}}
{{- $seen := list .root.Values.secrets.revision -}}
{{- range .reads -}}
{{- $parts := splitList "/" . -}}
{{- with lookup "v1" (first $parts) $.root.Release.Namespace (last $parts) -}}
{{- $seen = append $seen .metadata.resourceVersion -}}
{{- end -}}
{{- end -}}
{{- join "." $seen | sha256sum | trunc 16 -}}
{{- end -}}

{{/* Probes ask on the port that nothing outside leads to. */}}
{{- define "payflow.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: internal }
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 120
livenessProbe:
  httpGet: { path: /livez, port: internal }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /readyz, port: internal }
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}
