{{/* What the operator may do with its own kinds, and with the workloads of a namespace it serves. */}}
{{- define "keyturn.operatorRules" -}}
- apiGroups: [keyturn.dev]
  resources: [rotationplans, rotations, credentialproviders]
  verbs: [get, list, watch]
- apiGroups: [keyturn.dev]
  resources: [rotationplans]
  verbs: [patch, update]                       # our finalizer
- apiGroups: [keyturn.dev]
  resources: [rotations]
  verbs: [create, delete]                      # those of the schedule; finished ones beyond historyLimit
- apiGroups: [keyturn.dev]
  resources: [rotationplans/status, rotations/status]
  verbs: [get, patch, update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]             # a restart is a template annotation
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list]                           # whose pod is it
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]             # an annotation refreshes mounted Secrets at once
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Secrets of consumers: by name only, never listed or watched. Creating is for keyturn-probe-<plan>. */}}
{{- define "keyturn.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .names }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get, patch, update, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end -}}
