-- Times are microseconds since 1970, UTC. JSON is kept as text.

-- Up to where an entity of a connection is read, and the walk under way.
CREATE TABLE cursors (
    connection TEXT NOT NULL,
    entity TEXT NOT NULL,
    -- grows with every change: a process that works from an older state changes nothing
    version BIGINT NOT NULL,
    cursor TEXT NOT NULL,
    walk TEXT,
    PRIMARY KEY (connection, entity)
);

-- The number of the last read of a connection; drawn before every read.
CREATE TABLE read_numbers (
    connection TEXT NOT NULL PRIMARY KEY,
    last_number BIGINT NOT NULL
);

-- The orders that the next walk may show again, as they were handed on last.
CREATE TABLE handed_on (
    connection TEXT NOT NULL,
    external_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    read_number BIGINT NOT NULL,
    modified BIGINT,
    -- whether the stream acknowledged this content
    stored BOOLEAN NOT NULL,
    PRIMARY KEY (connection, external_id)
);
CREATE INDEX handed_on_by_age ON handed_on (connection, modified);
