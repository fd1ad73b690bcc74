-- Comparisons of whole stores with what they should show: asked for, in work, and what they found.
CREATE TABLE reconciliations (
    -- The run that the registry noted for it.
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    asked BIGINT NOT NULL,
    -- Of the owner that began it last; -1 before. One with a lower epoch cannot end it.
    epoch BIGINT NOT NULL,
    -- How often it was begun: a process that dies in the middle leaves it to the next one.
    begun BIGINT NOT NULL,
    started BIGINT,
    finished BIGINT,
    -- What was found, as JSON; none before the end.
    drift TEXT,
    -- Whether the registry knows of the end.
    reported BOOLEAN NOT NULL
);

-- At most one of each store waits or is in work.
CREATE UNIQUE INDEX reconciliations_open ON reconciliations (connection) WHERE finished IS NULL;
CREATE INDEX reconciliations_by_connection ON reconciliations (connection, id);
CREATE INDEX reconciliations_unreported ON reconciliations (id) WHERE NOT reported;
