CREATE TABLE items (
    id TEXT PRIMARY KEY,
    quantity BIGINT NOT NULL CHECK (quantity >= 0),
    payload BYTEA,
    active BOOLEAN,
    changed_at BIGINT,
    note TEXT
);

CREATE INDEX items_by_quantity ON items (quantity);
