-- By what the values of a warehouse or price list are ordered; fixed at first use.
CREATE TABLE sources (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    version_order TEXT NOT NULL CHECK (version_order IN ('revision', 'time')),
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (tenant, source)
);

-- The last value of each key: the record from which the last-value stream can be made anew.
CREATE TABLE levels (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    sku TEXT NOT NULL,
    value TEXT NOT NULL,
    version_order TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- The sequence of the ERP's event, which decides between equal times.
    sequence BIGINT NOT NULL,
    happened BIGINT NOT NULL,
    PRIMARY KEY (tenant, source, sku)
);

-- Who runs the lane of a connection. Another owner has a higher epoch.
CREATE TABLE lane_owner (
    connection TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    -- Counts renewals: a number that stands still for a whole lease belongs to nobody any more.
    renewal BIGINT NOT NULL
);

-- One write request: committed before it leaves, completed by its answer, then its receipt.
CREATE TABLE attempts (
    connection TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    started BIGINT NOT NULL,
    items TEXT NOT NULL,
    completed BIGINT,
    -- One letter per item: c confirmed, r rejected, u unknown, n not sent.
    outcomes TEXT,
    error_code TEXT,
    PRIMARY KEY (connection, epoch, number)
);

CREATE INDEX attempts_by_start ON attempts (tenant, started);

-- What each store is known to show, up to an attempt: bounds what is read at a start.
CREATE TABLE snapshots (
    connection TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Articles that must be looked at again.
CREATE TABLE doubts (
    connection TEXT NOT NULL,
    sku TEXT NOT NULL,
    kind TEXT NOT NULL,
    due BIGINT NOT NULL,
    PRIMARY KEY (connection, sku, kind)
);

-- Articles that wait for a person.
CREATE TABLE parked (
    connection TEXT NOT NULL,
    sku TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What was tried; another input is tried again without a person.
    input TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- Whether the event that tells of it is published.
    announced BOOLEAN NOT NULL,
    PRIMARY KEY (connection, sku)
);

CREATE INDEX parked_by_tenant ON parked (tenant, id);
CREATE INDEX parked_unannounced ON parked (id) WHERE NOT announced;
