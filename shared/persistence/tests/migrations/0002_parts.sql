CREATE TABLE parts (
    item TEXT NOT NULL REFERENCES items (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (item, position)
);

ALTER TABLE items ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
