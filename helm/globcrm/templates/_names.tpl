{{- /* Names and labels. Selectors never change: they are the name, the instance and the component, and nothing that a release or a value changes. */ -}}

{{- define "globcrm.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{- define "globcrm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- /* dict: root, component */ -}}
{{- define "globcrm.selector" -}}
app.kubernetes.io/name: {{ include "globcrm.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "globcrm.labels" -}}
{{ include "globcrm.selector" . }}
app.kubernetes.io/part-of: globcrm
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "globcrm.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* What holds for a service, as JSON. dict: root, role */ -}}
{{- define "globcrm.options" -}}
{{- $own := get .root.Values.roles .role | default dict -}}
{{- $options := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) -}}
{{- if and $options.autoscaling.enabled $options.queueScaling.enabled -}}
{{- fail (printf "roles.%s: autoscaling.enabled and queueScaling.enabled exclude each other" .role) -}}
{{- end -}}
{{ $options | toJson }}
{{- end -}}

{{- /* A number as people write it: JSON numbers come as floating-point ones. */ -}}
{{- define "globcrm.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}
