{{- /* What all pods have in common. */ -}}

{{- define "globcrm.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "globcrm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "globcrm.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* The files of secrets that a container gets. dict: root, secrets */ -}}
{{- define "globcrm.secretItems" -}}
{{- $root := .root -}}
{{- $keys := list -}}
{{- range .secrets -}}
{{- if include "globcrm.isGiven" (dict "root" $root "secret" .) -}}
{{- $keys = append $keys .key -}}
{{- end -}}
{{- end -}}
{{- range uniq $keys }}
- key: {{ . }}
  path: {{ . }}
{{- end -}}
{{- end -}}

{{- /* Not empty when the Secret has it: keys of a bucket when there is one, and then always. */ -}}
{{- define "globcrm.isGiven" -}}
{{- $bundled := and (eq .secret.key "GLOBCRM_FLEET_REDIS_URL") .root.Values.bundled.redis.enabled -}}
{{- if .secret.bucket }}
{{- if .root.Values.blobs.s3.bucket }}yes{{ end -}}
{{- else if or .secret.required $bundled (has .secret.key .root.Values.secrets.optional) }}yes{{ end -}}
{{- end -}}

{{- define "globcrm.secretVariables" -}}
{{- $root := .root -}}
{{- range .secrets -}}
{{- if include "globcrm.isGiven" (dict "root" $root "secret" .) }}
- name: {{ .variable }}_FILE
  value: /run/secrets/globcrm/{{ .key }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* How services call each other. */ -}}
{{- define "globcrm.scheme" -}}
{{- if and .Values.tls.changeOver (not .Values.tls.existingSecret) -}}
{{- fail "tls.changeOver needs tls.existingSecret" -}}
{{- end -}}
{{- if and .Values.tls.authoritySecret (not .Values.tls.existingSecret) -}}
{{- fail "tls.authoritySecret needs tls.existingSecret" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (ne .Values.tls.changeOver "serve") }}https{{ else }}http{{ end -}}
{{- end -}}

{{- /* The environment of a service: where its secrets and its peers are, and its settings. dict: root, member, options */ -}}
{{- define "globcrm.environment" -}}
{{- $root := .root -}}
{{- $member := .member -}}
{{- include "globcrm.secretVariables" (dict "root" $root "secrets" $member.secrets) -}}
{{- range $member.calls }}
- name: {{ .variable }}
  value: {{ include "globcrm.scheme" $root }}://{{ include "globcrm.fullname" $root }}-{{ .role }}:50051
{{- end -}}
{{- if $root.Values.tls.existingSecret }}
- name: GLOBCRM_{{ $member.upper }}_TLS_CERT_FILE
  value: /run/secrets/tls/tls.crt
- name: GLOBCRM_{{ $member.upper }}_TLS_KEY_FILE
  value: /run/secrets/tls/tls.key
- name: GLOBCRM_{{ $member.upper }}_TLS_CA_FILE
  value: /run/secrets/tls-authority/ca.crt
{{- if $root.Values.tls.changeOver }}
- name: GLOBCRM_{{ $member.upper }}_TLS_ALSO_PLAIN
  value: "true"
{{- end -}}
{{- end -}}
{{- $given := .options.settings | default dict -}}
{{- if $member.public }}
- name: GLOBCRM_{{ $member.upper }}_LISTEN
  value: 0.0.0.0:8080
{{- if $root.Values.tls.publicSecret }}
- name: GLOBCRM_{{ $member.upper }}_PUBLIC_TLS_CERT_FILE
  value: /run/secrets/public-tls/tls.crt
- name: GLOBCRM_{{ $member.upper }}_PUBLIC_TLS_KEY_FILE
  value: /run/secrets/public-tls/tls.key
{{- end }}
{{- if and (or $root.Values.ingress.enabled $root.Values.gatewayApi.enabled) (not (hasKey $given "TRUST_FORWARDED_FOR")) (not (hasKey $root.Values.settings "TRUST_FORWARDED_FOR")) }}
{{- if $root.Values.tls.publicSecret }}
{{- fail "tls.publicSecret with an Ingress or HTTPRoute: give roles.gateway.settings.TRUST_FORWARDED_FOR, false where TLS passes through the proxy, as clients could write any address then, true where the proxy sets X-Forwarded-For" }}
{{- end }}
- name: GLOBCRM_{{ $member.upper }}_TRUST_FORWARDED_FOR
  value: "true"
{{- end -}}
{{- end -}}
{{- if $member.blobs }}
{{- $s3 := $root.Values.blobs.s3 }}
{{- if $s3.bucket }}
- name: GLOBCRM_{{ $member.upper }}_S3_BUCKET
  value: {{ $s3.bucket | quote }}
{{- with $s3.endpoint }}
- name: GLOBCRM_{{ $member.upper }}_S3_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with $s3.region }}
- name: GLOBCRM_{{ $member.upper }}_S3_REGION
  value: {{ . | quote }}
{{- end }}
{{- if $s3.virtualHosted }}
- name: GLOBCRM_{{ $member.upper }}_S3_VIRTUAL_HOSTED
  value: "true"
{{- end }}
{{- if $s3.allowHttp }}
- name: GLOBCRM_{{ $member.upper }}_S3_ALLOW_HTTP
  value: "true"
{{- end }}
{{- else }}
- name: GLOBCRM_{{ $member.upper }}_BLOB_DIR
  value: /var/lib/globcrm/blobs
{{- end }}
{{- end -}}
{{- range $name, $value := $root.Values.settings }}
- name: GLOBCRM_FLEET_{{ $name }}
  value: {{ include "globcrm.text" $value | quote }}
{{- end -}}
{{- range $name, $value := $given }}
- name: GLOBCRM_{{ $member.upper }}_{{ $name }}
  value: {{ include "globcrm.text" $value | quote }}
{{- end -}}
{{- end -}}

{{- /* The pod of migrations, apart, as its hash is in the name of its Job. */ -}}
{{- define "globcrm.migratePod" }}
{{- $fleet := .Files.Get "fleet.json" | fromJson }}
metadata:
  labels:
    {{- include "globcrm.labels" (dict "root" . "component" "migrate") | nindent 4 }}
  annotations:
    globcrm/secrets-revision: {{ .Values.secrets.revision | quote }}
spec:
  serviceAccountName: {{ include "globcrm.fullname" . }}-migrate
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "globcrm.pullSecrets" . | nindent 2 }}
  restartPolicy: OnFailure
  securityContext:
    {{- include "globcrm.podSecurity" 65532 | nindent 4 }}
  {{- with .Values.defaults.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.defaults.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: migrate
      image: {{ include "globcrm.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [migrate]
      env:
        {{- include "globcrm.secretVariables" (dict "root" . "secrets" $fleet.migrate.secrets) | nindent 8 }}
      resources:
        {{- toYaml .Values.defaults.resources | nindent 8 }}
      securityContext:
        {{- include "globcrm.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - name: secrets
          mountPath: /run/secrets/globcrm
          readOnly: true
        {{- with .Values.defaults.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: secrets
      secret:
        secretName: {{ .Values.migrations.existingSecret | default .Values.secrets.existingSecret }}
        defaultMode: 0440
        items:
          {{- include "globcrm.secretItems" (dict "root" . "secrets" $fleet.migrate.secrets) | nindent 10 }}
    {{- with .Values.defaults.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
