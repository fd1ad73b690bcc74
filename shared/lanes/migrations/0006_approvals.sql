-- Changes that would have stopped a lane and that a person wanted all the same.
CREATE TABLE approvals (
    connection TEXT NOT NULL,
    approved BIGINT NOT NULL,
    -- A list of article and wanted value.
    changes TEXT NOT NULL,
    PRIMARY KEY (connection, approved)
);
