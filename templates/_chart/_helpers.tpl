{{/*
The stem of all names: the value, or a name made of the release's. It begins with a letter, as names of Services must,
and leaves room for what is added to it.
*/}}
{{- define "sidecert.name" -}}
{{- if .Values.name }}
{{- .Values.name }}
{{- else if hasPrefix "prometheus" .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 40 | trimAll "-" }}
{{- else }}
{{- printf "prometheus-%s" .Release.Name | replace "." "-" | trunc 40 | trimAll "-" }}
{{- end }}
{{- end }}

{{/*
The namespace of what is not cluster-wide: the value, or the release's (helm --namespace).
*/}}
{{- define "sidecert.namespace" -}}
{{- .Values.namespace | default .Release.Namespace }}
{{- end }}

{{/*
Chart and version, as a label may hold them.
*/}}
{{- define "sidecert.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}
