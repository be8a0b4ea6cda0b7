{{- /* What differs between the bundled stores: their command, environment and probe. */ -}}

{{- define "globcrm.bundled.postgresql" -}}
# Every service has two users with some connections each.
args: [postgres, -c, max_connections=400, -c, shared_buffers=128MB]
env:
  - name: PGDATA
    value: /var/lib/postgresql/data/cluster
  - name: POSTGRES_PASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secrets.existingSecret }}
        key: postgres-password
readinessProbe:
  exec:
    command: [pg_isready, --host, 127.0.0.1, --username, postgres]
  periodSeconds: 2
  timeoutSeconds: 5
{{- end -}}

{{- define "globcrm.bundled.rabbitmq" -}}
command: [rabbitmq-server]
env:
  # Its data are found by this name.
  - name: RABBITMQ_NODENAME
    value: rabbit@localhost
  - name: RABBITMQ_LOGS
    value: "-"
  - name: HOME
    value: /var/lib/rabbitmq
# The command starts a virtual machine of its own, which is too much for a probe that goes on for ever.
startupProbe:
  exec:
    command: [rabbitmqctl, --quiet, await_startup, --timeout, "5"]
  periodSeconds: 5
  timeoutSeconds: 15
  failureThreshold: 60
readinessProbe:
  tcpSocket:
    port: rabbitmq
  periodSeconds: 5
lifecycle:
  preStop:
    exec:
      # Where a shell is between, it hears of no signal.
      command: [rabbitmqctl, --quiet, stop]
{{- end -}}

{{- define "globcrm.bundled.redis" -}}
command: [redis-server, /run/secrets/globcrm/redis.conf]
args: [--bind, "*", "-::*", --save, "", --appendonly, "no", --dir, /tmp, --maxmemory, 128mb, --maxmemory-policy, volatile-ttl]
readinessProbe:
  tcpSocket:
    port: redis
  periodSeconds: 2
{{- end -}}
