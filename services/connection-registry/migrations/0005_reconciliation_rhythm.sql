-- The schedules of stock and prices were mere switches; now their rhythm is that of the reconciliation.
-- Those that are on already are due at once and go on by their rhythm.
UPDATE schedules SET next_run = 0
WHERE active AND next_run IS NULL AND entity IN ('stock', 'prices');
