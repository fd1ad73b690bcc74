-- What was parked when a person asked for another try, as `parked.input` stood: it is no word about
-- anything else that is parked for the article by then.
ALTER TABLE doubts ADD COLUMN input TEXT;
