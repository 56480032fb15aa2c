-- The chats that somebody is in, read from the index alone: each list of chats, count and search begins with them.
CREATE INDEX members_seats ON members (user_id, chat_id) WHERE left_at IS NULL;
DROP INDEX members_user;
