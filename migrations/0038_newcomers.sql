-- Newcomers who may still lack their first impressions, in lanes like everybody (see matching/candidate_queries). A sweep clears the
-- flag, when they have had them or are no newcomers any more. Whoever was here before this migration is none.

ALTER TABLE profiles ADD COLUMN is_new BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX profiles_new_area ON profiles (area_lane, user_id) WHERE is_new;
CREATE INDEX profiles_new_region ON profiles (region_lane, user_id) WHERE is_new;
CREATE INDEX profiles_new_gender ON profiles (gender, user_id) WHERE is_new;
