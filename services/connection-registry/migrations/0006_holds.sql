-- Quantities that are kept back from what is published.
CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    sku TEXT NOT NULL,
    quantity TEXT NOT NULL,
    -- a list of ids; empty for all connections
    connections TEXT NOT NULL,
    ends BIGINT,
    reason TEXT,
    created BIGINT NOT NULL
);
CREATE INDEX holds_by_tenant ON holds (tenant, id);
CREATE INDEX holds_by_sku ON holds (tenant, sku, id);
CREATE INDEX holds_by_end ON holds (ends);

-- The record of each SKU in the bucket. A SKU without a hold keeps its row, so that a bucket that was
-- lost is told of it, too.
CREATE TABLE held_skus (
    tenant TEXT NOT NULL,
    sku TEXT NOT NULL,
    revision BIGINT NOT NULL,
    -- the revision that was published last
    published BIGINT NOT NULL,
    PRIMARY KEY (tenant, sku)
);
