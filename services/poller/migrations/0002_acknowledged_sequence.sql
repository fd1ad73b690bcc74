-- Where the stream acknowledged this content; none while it did not. A stream that ends before that
-- lost it.
ALTER TABLE handed_on DROP COLUMN stored;
ALTER TABLE handed_on ADD COLUMN sequence BIGINT;
