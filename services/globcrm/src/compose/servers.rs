//! docker-compose.yml: PostgreSQL, RabbitMQ, Redis and Prometheus, for one machine. An installation with servers of its own
//! gives their URLs to `globcrm secrets` instead.

/// Volumes of [`SERVERS`] and [`PROMETHEUS`].
pub(super) const VOLUMES: [&str; 3] = ["postgres-data", "rabbitmq-data", "prometheus-data"];

/// What the fleet stands on.
pub(super) const SERVERS: &str = r#"
  postgres:
    image: ${GLOBCRM_POSTGRES_IMAGE:-postgres:15}
    restart: unless-stopped
    # The image's own entry point, whatever its name is. Not every image reads a password from a file.
    entrypoint:
      - sh
      - -c
      - 'chown postgres /run/postgresql && POSTGRES_PASSWORD="$$(cat /run/secrets/postgres/postgres-password)" && export POSTGRES_PASSWORD && exec "$$(command -v docker-entrypoint.sh || command -v entrypoint)" "$$@"'
      - postgres
    command: [postgres, -c, max_connections=400, -c, password_encryption=scram-sha-256]
    read_only: true
    tmpfs: [/tmp, /run/postgresql]
    # Its entry point gives the data to its user, and becomes that user.
    cap_drop: [ALL]
    cap_add: [CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID]
    security_opt: ["no-new-privileges:true"]
    shm_size: 256m
    mem_limit: 1g
    pids_limit: 512
    stop_grace_period: 60s
    logging: *logging
    networks: [fleet]
    depends_on:
      secrets: { condition: service_completed_successfully }
    healthcheck:
      test: [CMD, pg_isready, --quiet, --host=127.0.0.1, --username=postgres]
      interval: 3s
      timeout: 3s
      retries: 20
    volumes:
      - postgres-data:/var/lib/postgresql/data
      - secrets-postgres:/run/secrets/postgres:ro

  rabbitmq:
    image: ${GLOBCRM_RABBITMQ_IMAGE:-rabbitmq:3-management}
    restart: unless-stopped
    # The node's name holds it, and its data are filed under that.
    hostname: rabbitmq
    # Our user and our policies; there is no other user then.
    environment:
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: -rabbit load_definitions "/run/secrets/rabbitmq/rabbitmq-definitions.json"
    # Its entry point writes its configuration, gives the data to its user, and becomes that user.
    cap_drop: [ALL]
    cap_add: [CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 1g
    pids_limit: 1024
    stop_grace_period: 60s
    logging: *logging
    networks: [fleet]
    depends_on:
      secrets: { condition: service_completed_successfully }
    healthcheck:
      test: [CMD, rabbitmq-diagnostics, --quiet, check_port_connectivity]
      interval: 10s
      timeout: 20s
      retries: 12
    volumes:
      - rabbitmq-data:/var/lib/rabbitmq
      - secrets-rabbitmq:/run/secrets/rabbitmq:ro

  # Counters of rate limits: nothing of it is kept, and what does not fit goes.
  redis:
    image: ${GLOBCRM_REDIS_IMAGE:-redis:7}
    restart: unless-stopped
    user: redis
    entrypoint: [redis-server, /run/secrets/redis/redis.conf]
    command: [--save, "", --appendonly, "no", --maxmemory, 64mb, --maxmemory-policy, volatile-ttl]
    read_only: true
    tmpfs: [/data, /tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 128m
    pids_limit: 64
    logging: *logging
    networks: [fleet]
    depends_on:
      secrets: { condition: service_completed_successfully }
    healthcheck:
      # It asks for a password, and answers that it does.
      test: [CMD-SHELL, "redis-cli ping | grep -q -E 'PONG|NOAUTH'"]
      interval: 3s
      timeout: 3s
      retries: 20
    volumes:
      - secrets-redis:/run/secrets/redis:ro
"#;

/// The profile `monitoring`.
pub(super) const PROMETHEUS: &str = r"  prometheus:
    image: ${GLOBCRM_PROMETHEUS_IMAGE:-prom/prometheus:v2.53.5}
    profiles: [monitoring]
    restart: unless-stopped
    command: [--config.file=/etc/globcrm/prometheus.yml, --storage.tsdb.path=/prometheus, --storage.tsdb.retention.time=15d]
    read_only: true
    cap_drop: [ALL]
    security_opt: ['no-new-privileges:true']
    mem_limit: 512m
    pids_limit: 128
    logging: *logging
    networks: [fleet, front]
    ports: ['${GLOBCRM_PROMETHEUS_PUBLISH:-127.0.0.1:9099}:9090']
    volumes:
      - ./deploy/compose/prometheus.yml:/etc/globcrm/prometheus.yml:ro
      - prometheus-data:/prometheus
";
