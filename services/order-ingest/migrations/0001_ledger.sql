-- Times are microseconds since 1970, UTC. JSON and amounts are kept as text.

-- One row per order of a store, at its newest revision.
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    platform TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- of the last reading that counted; a later one has a larger number
    read_number BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    -- 0 only inside the transaction that makes the row
    revision BIGINT NOT NULL,
    -- of the last revision that could be understood
    number TEXT,
    state TEXT,
    total TEXT,
    -- the last revision that an event was written for, 0 for none, and what decides on the next verb
    announced_revision BIGINT NOT NULL,
    announced_state TEXT,
    announced_refunded TEXT,
    first_seen BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    -- written to take the row's lock before its values are read
    locked BIGINT NOT NULL,
    UNIQUE (connection, external_id)
);
CREATE INDEX orders_by_tenant ON orders (tenant, id);
CREATE INDEX orders_by_number ON orders (tenant, number);
CREATE INDEX orders_by_external_id ON orders (tenant, external_id);

-- Every content that an order had.
CREATE TABLE revisions (
    order_id TEXT NOT NULL REFERENCES orders (id),
    revision BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    read_number BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    -- the store's own words; empty once they expired
    raw TEXT NOT NULL,
    -- none when the order could not be understood
    normalised TEXT,
    sum_check TEXT,
    traceparent TEXT,
    stored_at BIGINT NOT NULL,
    -- when the broker took its event; none while it waits, and for revisions without one
    published BIGINT,
    PRIMARY KEY (order_id, revision)
);
CREATE INDEX revisions_with_raw ON revisions (stored_at) WHERE raw <> '';

-- Orders that wait for a person, at most one entry per order; its id is the order's.
CREATE TABLE parked (
    order_id TEXT NOT NULL PRIMARY KEY REFERENCES orders (id),
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    external_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX parked_by_tenant ON parked (tenant, order_id);
CREATE INDEX parked_by_code ON parked (code, order_id);

-- Events that a transaction decided. Published rows stay as long as the broker keeps events, so that
-- they can be published again.
CREATE TABLE outbox (
    -- id of the event and of the message
    id TEXT NOT NULL PRIMARY KEY,
    -- 'order' or 'parked'
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    -- events of one chain go out in the order of their positions: an order's by revision
    chain TEXT NOT NULL,
    position BIGINT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    traceparent TEXT,
    created BIGINT NOT NULL,
    -- not before this time: a claim of a relay, or the pause after a failure
    due BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    published BIGINT
);
CREATE INDEX outbox_waiting ON outbox (created, id) WHERE published IS NULL;
CREATE INDEX outbox_chain ON outbox (chain, position) WHERE published IS NULL;
CREATE INDEX outbox_by_age ON outbox (created);

-- What the service remembers about its surroundings.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
