-- Calls between the two of a direct chat. Times are microseconds since the epoch, UTC. What the two devices tell each other (which holds
-- their addresses) is kept only while the call lasts.
CREATE TABLE calls (
    id BIGSERIAL PRIMARY KEY,
    chat_id BIGINT NOT NULL REFERENCES chats (id),
    caller_id BIGINT NOT NULL REFERENCES users (id),
    callee_id BIGINT NOT NULL REFERENCES users (id),
    media TEXT NOT NULL CHECK (media IN ('audio', 'video')),
    signal_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    answered_at BIGINT,
    ended_at BIGINT,
    reason TEXT CHECK (reason IN ('hung_up', 'cancelled', 'declined', 'missed', 'lost')),
    CHECK ((ended_at IS NULL) = (reason IS NULL))
);
CREATE INDEX calls_chat ON calls (chat_id);
CREATE INDEX calls_caller ON calls (caller_id);
CREATE INDEX calls_callee ON calls (callee_id);
CREATE INDEX calls_going ON calls (created_at) WHERE ended_at IS NULL;

-- Who is in a call: nobody is in two.
CREATE TABLE call_seats (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    call_id BIGINT NOT NULL REFERENCES calls (id)
);
CREATE INDEX call_seats_call ON call_seats (call_id);

CREATE TABLE call_signals (
    call_id BIGINT NOT NULL REFERENCES calls (id),
    n BIGINT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('offer', 'answer', 'ice')),
    payload TEXT NOT NULL,
    PRIMARY KEY (call_id, n)
);
CREATE INDEX call_signals_user ON call_signals (user_id);
