-- Times are microseconds since 1970, UTC. JSON is kept as text.

CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    writes_paused BOOLEAN NOT NULL,
    writes_paused_since BIGINT,
    writes_paused_reason TEXT,
    -- of the record in the bucket, and the revision that was published last
    revision BIGINT NOT NULL,
    published BIGINT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    label TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    last_used BIGINT,
    revoked BIGINT
);
CREATE INDEX tokens_by_tenant ON tokens (tenant, id);

-- Keys of this installation, sealed: what tickets and cursors are signed with.
CREATE TABLE installation_keys (
    name TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL
);

CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    platform TEXT NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    -- what is in use; none before the first activation
    address TEXT,
    credentials TEXT,
    credential_hints TEXT NOT NULL,
    credentials_revision BIGINT NOT NULL,
    profile TEXT NOT NULL,
    activated BIGINT,
    -- what was entered and is not verified and activated yet
    draft_address TEXT,
    draft_credentials TEXT,
    draft_credential_hints TEXT,
    paused_since BIGINT,
    pause_reason TEXT,
    -- grows with every change by a person
    version BIGINT NOT NULL,
    -- of the record in the bucket, and the revision that was published last
    revision BIGINT NOT NULL,
    published BIGINT NOT NULL,
    state TEXT NOT NULL,
    state_since BIGINT NOT NULL,
    state_code TEXT,
    state_text TEXT,
    state_checked BIGINT NOT NULL,
    last_test_at BIGINT,
    last_test_status TEXT,
    last_test_code TEXT,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    deleted BIGINT
);
CREATE INDEX connections_by_tenant ON connections (tenant, id);
CREATE UNIQUE INDEX connections_by_name ON connections (tenant, name) WHERE deleted IS NULL;

CREATE TABLE verifications (
    id TEXT NOT NULL PRIMARY KEY,
    connection TEXT NOT NULL REFERENCES connections (id),
    made_at BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    status TEXT NOT NULL,
    report TEXT NOT NULL
);
CREATE INDEX verifications_by_connection ON verifications (connection, id);

CREATE TABLE schedules (
    connection TEXT NOT NULL REFERENCES connections (id),
    entity TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    rhythm TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    -- none while inactive, and for entities that are written as changes arrive
    next_run BIGINT,
    last_run TEXT,
    skipped BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (connection, entity)
);
CREATE INDEX schedules_due ON schedules (next_run);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    connection TEXT NOT NULL REFERENCES connections (id),
    platform TEXT NOT NULL,
    entity TEXT NOT NULL,
    cause TEXT NOT NULL,
    full_read BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    created BIGINT NOT NULL,
    queued BIGINT,
    started BIGINT,
    finished BIGINT,
    objects_read BIGINT,
    objects_changed BIGINT,
    objects_failed BIGINT,
    watermark BIGINT,
    error_code TEXT,
    error_text TEXT,
    needs_attention BOOLEAN NOT NULL
);
CREATE INDEX runs_by_connection ON runs (connection, id);
CREATE INDEX runs_by_state ON runs (state, created);

-- Events that were decided in a transaction and are published after it.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- none while the first request runs
    status BIGINT,
    sealed_answer TEXT,
    PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX idempotency_by_age ON idempotency (created);

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    token TEXT NOT NULL,
    happened BIGINT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before_hash TEXT,
    after_hash TEXT
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
