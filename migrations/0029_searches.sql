-- Indexes for what is seldom asked, and must not read a big table whole when it is.
CREATE INDEX members_ever ON members (user_id);
CREATE INDEX users_suspended ON users (suspended_until) WHERE suspended_until IS NOT NULL;
CREATE INDEX users_staff ON users (role) WHERE role IN ('moderator', 'admin');
