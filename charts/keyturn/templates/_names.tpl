{{- define "keyturn.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "keyturn.operatorUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "keyturn.name" . }}-operator
{{- end -}}

{{- define "keyturn.selector" -}}
app.kubernetes.io/name: keyturn
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "keyturn.labels" -}}
{{ include "keyturn.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "keyturn.image" -}}
{{ .image.repository }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}

{{- define "keyturn.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "keyturn.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "keyturn.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Exactly one form of rights, said in words when it is none or both. */}}
{{- define "keyturn.checkScope" -}}
{{- if and .Values.clusterWide .Values.watchNamespaces -}}
{{- fail "watchNamespaces and clusterWide exclude each other: name the namespaces, or say clusterWide: true." -}}
{{- end -}}
{{- if not (or .Values.clusterWide .Values.watchNamespaces) -}}
{{- fail "Say whose plans Keyturn serves: --set watchNamespaces={shop} (a Role in each), or clusterWide=true." -}}
{{- end -}}
{{- range $namespace, $_ := .Values.secretNames -}}
{{- if not (has $namespace $.Values.watchNamespaces) -}}
{{- fail (printf "secretNames names the namespace %s, which is not in watchNamespaces: add it there." $namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The operator refuses these too; here they are refused before anything is installed. */}}
{{- define "keyturn.checkLease" -}}
{{- with .Values.operator.lease -}}
{{- if lt (float64 .duration) (mulf 1.5 .renewDeadline) -}}
{{- fail "operator.lease.duration must be at least one and a half times operator.lease.renewDeadline." -}}
{{- end -}}
{{- if lt (float64 .renewDeadline) (mulf 2 .retryPeriod) -}}
{{- fail "operator.lease.renewDeadline must be at least twice operator.lease.retryPeriod." -}}
{{- end -}}
{{- end -}}
{{- end -}}
