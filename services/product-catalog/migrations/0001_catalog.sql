-- Times are microseconds since 1970, UTC. JSON is kept as text.

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
    -- empty for a simple product
    variation TEXT NOT NULL,
    -- null when the article has no usable code
    sku TEXT,
    -- null without a code
    shard BIGINT,
    stock_row TEXT,
    active BOOLEAN NOT NULL,
    article TEXT NOT NULL,
    PRIMARY KEY (connection, product, variation)
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
    PRIMARY KEY (connection, shard)
);

-- The setting that the listings of a connection were made with.
CREATE TABLE choices (
    connection TEXT NOT NULL PRIMARY KEY,
    only_active BOOLEAN NOT NULL
);

-- Which stream the shards were published to: another one needs them again.
CREATE TABLE stream (
    name TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);
