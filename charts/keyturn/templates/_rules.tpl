{{/* What the operator may do with its own kinds, and with the workloads of a namespace it serves. */}}
{{- define "keyturn.operatorRules" -}}
- apiGroups: [keyturn.dev]
  resources: [rotationplans]
  verbs: [get, list, watch, patch]             # patch: the finalizer, the record of who edited
- apiGroups: [keyturn.dev]
  resources: [rotations]
  verbs: [get, list, watch, create, delete]    # the schedule's; finished ones beyond historyLimit
- apiGroups: [keyturn.dev]
  resources: [credentialproviders]
  verbs: [get, list, watch]
- apiGroups: [keyturn.dev]
  resources: [rotationapprovals]
  verbs: [list]                                # written by people only
- apiGroups: [keyturn.dev]
  resources: [rotationplans/status, rotations/status]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]             # a restart is a template annotation
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]                                # whose pod is it
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]                  # an annotation refreshes mounted Secrets at once
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.certManager }}
- apiGroups: [cert-manager.io]
  resources: [certificaterequests]
  verbs: [get, create, delete]                 # for plans of tls whose provider names an issuer
{{- end }}
{{- end -}}

{{/* Secrets of consumers: by name only, never listed or watched. Creating is for keyturn-probe-<plan>. */}}
{{- define "keyturn.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .names }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end -}}
