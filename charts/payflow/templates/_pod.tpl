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
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $.settings.topologySpread }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "payflow.selector" $ | nindent 8 }}
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
Changes when a Secret of ours does, as far as Helm sees it, so that the next upgrade starts the pods anew; where Helm
only renders, secrets.revision says it. (the root)
*/}}
{{- define "payflow.secretsRevision" -}}
{{- $seen := list .Values.secrets.revision -}}
{{- range $kind := list "platform" "postgresql" "redis" "kafka" -}}
{{- $name := include "payflow.secret" (dict "root" $ "kind" $kind) -}}
{{- if and $name (not $.Values.dev.enabled) -}}
{{- with lookup "v1" "Secret" $.Release.Namespace $name -}}
{{- $seen = append $seen .metadata.resourceVersion -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "." $seen | sha256sum | trunc 16 -}}
{{- end -}}

{{/* When each of a container's probes asks: (dict "port" "internal") */}}
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
