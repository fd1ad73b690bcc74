-- Times are microseconds since 1970, UTC. JSON is kept as text.

-- Every connection that something is kept of. Its row is locked by whatever changes its articles, so
-- that two replicas never decide about one stock row without seeing each other.
CREATE TABLE connections (
    connection TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL,
    -- the setting that its listings were made with; null until that is known
    only_active BOOLEAN
);

-- The last reading of each product.
CREATE TABLE products (
    connection TEXT NOT NULL,
    product TEXT NOT NULL,
    read_number BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    -- what publishers need of its articles: unchanged, nothing is published
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (connection, product)
);

-- The articles of the products.
CREATE TABLE articles (
    connection TEXT NOT NULL,
    product TEXT NOT NULL,
    -- its number among the articles of the product
    place BIGINT NOT NULL,
    -- null when the article has no usable code
    sku TEXT,
    -- null without a code
    shard BIGINT,
    stock_row TEXT,
    active BOOLEAN NOT NULL,
    -- another code of the product has the same ids of product and variation
    crowded BOOLEAN NOT NULL,
    article TEXT NOT NULL,
    PRIMARY KEY (connection, product, place)
);
CREATE INDEX articles_by_shard ON articles (connection, shard);
CREATE INDEX articles_by_sku ON articles (connection, sku);
CREATE INDEX articles_by_stock_row ON articles (connection, stock_row);

-- The shards of each connection: pending while revision and published differ.
CREATE TABLE shards (
    connection TEXT NOT NULL,
    shard BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    published BIGINT NOT NULL,
    -- stream sequence of the last publication
    sequence BIGINT NOT NULL,
    -- listings that had no room in the last publication
    left_out BIGINT NOT NULL,
    PRIMARY KEY (connection, shard)
);

-- Which stream the shards were published to: another one needs them again.
CREATE TABLE stream (
    name TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);

-- Product master data of the ERPs: the last value of each SKU.
CREATE TABLE erp_products (
    tenant TEXT NOT NULL,
    sku TEXT NOT NULL,
    name TEXT,
    barcode TEXT,
    removed BOOLEAN NOT NULL,
    -- 'revision' or 'time', fixed by the first value
    version_order TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- stream sequence of the event, which decides between equal times
    sequence BIGINT NOT NULL,
    happened BIGINT NOT NULL,
    PRIMARY KEY (tenant, sku)
);
