-- What a delivered message is to say, until a classifier or a moderator has looked at it; its row in `messages` says the old text.
ALTER TABLE screenings ADD COLUMN edit TEXT;
