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

{{/*
A quantity of storage in bytes: Kubernetes may give back 1Gi for 1024Mi.
*/}}
{{- define "sidecert.bytes" -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]+$" .) | default 1.0) }}
{{- end }}

{{- define "sidecert.milliseconds" -}}
{{- $total := 0 -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- range $part := regexFindAll "[0-9]+(ms|[smhdwy])" . -1 -}}
{{- $number := regexFind "[1-9][0-9]*" $part | default "0" -}}
{{- $total = add $total (mul $number (get $units (regexFind "[a-z]+" $part))) -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{- define "sidecert.merge" -}}
{{- $merged := dict -}}
{{- range $map := . -}}{{- range $key, $value := $map -}}{{- $_ := set $merged $key $value -}}{{- end -}}{{- end -}}
{{- toJson $merged -}}
{{- end -}}
