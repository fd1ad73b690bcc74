-- The processes that run lanes. Each counts up its own row; one that stands still is gone.
CREATE TABLE replicas (
    id TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);

-- The connection was deleted. The row stays, because an epoch must never be given twice.
ALTER TABLE lane_owner ADD COLUMN gone BOOLEAN NOT NULL DEFAULT FALSE;

-- Numbers in the order in which they were committed: who draws one holds its row until then.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO counters (name, value) VALUES ('doubts', 0);

-- Drawn for doubts that did not come from the lane itself, so that its owner finds the new ones.
ALTER TABLE doubts ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
CREATE INDEX doubts_by_number ON doubts (number) WHERE number > 0;
