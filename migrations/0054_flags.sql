-- Delivered messages that a classifier has flagged, by age: flags that no moderator has looked at go after a time.
CREATE INDEX screenings_flagged ON screenings (created_at) WHERE due_at IS NULL AND draft IS NULL AND edit IS NULL;
