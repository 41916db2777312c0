{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gateway.image" -}}
{{- $repository := required "image.repository: where your image is" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A duration such as 500ms, 30s, 5m or 1h, in whole seconds, rounded up. */}}
{{- define "gateway.seconds" -}}
{{- $factors := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $factor := get $factors (regexFind "[a-z]+$" .) -}}
{{- if not $factor -}}{{- fail (printf "%s is no duration such as 500ms, 30s, 5m or 1h" .) -}}{{- end -}}
{{- mulf (regexFind "^[0-9]+" . | float64) $factor | ceil | int -}}
{{- end -}}

{{/* Longer than the whole drain, so that nothing is killed that was still allowed to finish. */}}
{{- define "gateway.gracePeriod" -}}
{{- $drain := .Values.config.drain -}}
{{- $delay := include "gateway.seconds" $drain.delay | int -}}
{{- $deadline := include "gateway.seconds" $drain.deadline | int -}}
{{- add $delay $deadline .Values.terminationMarginSeconds -}}
{{- end -}}

{{- define "gateway.host" -}}
{{- regexReplaceAll "^https://([^/:]+).*$" .Values.config.publicUrl "${1}" -}}
{{- end -}}

{{/* Only more than one replica needs a store in common; the default is more than one. */}}
{{- define "gateway.requireStore" -}}
{{- $replicas := int .Values.replicaCount -}}
{{- if .Values.autoscaling.enabled -}}{{- $replicas = int .Values.autoscaling.maxReplicas -}}{{- end -}}
{{- if and (gt $replicas 1) (not .Values.config.redis) -}}
{{- fail "config.redis: more than one replica need a store in common" -}}
{{- end -}}
{{- end -}}

{{/* gateway.config.yaml. The ops listener is at the pod's own address, which is where the kubelet and Prometheus ask. */}}
{{- define "gateway.config" -}}
{{- $_ := required "config.publicUrl: the https origin under which clients reach the gateway" .Values.config.publicUrl -}}
{{- $_ := required "config.keys: a reference such as file:/run/secrets/mcp-auth-gateway/gateway-key" .Values.config.keys -}}
{{- $_ := required "config.backends: the MCP servers" .Values.config.backends -}}
{{- include "gateway.requireStore" . -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "listen" (dict "port" 8080) -}}
{{- $ops := mergeOverwrite (deepCopy (default dict $config.ops)) (dict "host" "${POD_IP}" "port" 9090) -}}
{{- $_ := set $config "ops" $ops -}}
{{- toYaml $config -}}
{{- end -}}
