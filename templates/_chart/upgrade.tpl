{{- if and (eq .Values.prometheus.workload "StatefulSet") (or (has .Values.variant (list "manual" "plain")) (and (eq .Values.variant "merged") (eq .Values.merged.prometheus "workload"))) }}
{{- /* Kubernetes refuses to change the claims of a StatefulSet: better told now than half-way through an upgrade. */}}
{{- with lookup "apps/v1" "StatefulSet" (include "sidecert.namespace" .) (include "sidecert.name" .) }}
{{- $size := "" }}
{{- $class := "" }}
{{- range .spec.volumeClaimTemplates }}
{{- $size = .spec.resources.requests.storage }}
{{- $class = .spec.storageClassName | default "" }}
{{- end }}
{{- $wanted := $.Values.prometheus.storage }}
{{- $same := eq (include "sidecert.bytes" $size) (include "sidecert.bytes" $wanted.size) }}
{{- if not (and $same (eq $class $wanted.className)) }}
{{- $found := printf "size %q and class %q" $size $class }}
{{- $remedy := printf "kubectl --namespace %s delete statefulset %s --cascade=orphan" .metadata.namespace .metadata.name }}
{{- $problems = append $problems (printf "prometheus.storage: the StatefulSet has %s, which Kubernetes doesn't let change; keep them, or run `%s` first, which leaves the pods and their data" $found $remedy) }}
{{- end }}
{{- end }}
{{- end }}
