-- What a key may do, as it stands in the key itself: kept so that it can be shown, and given to the key
-- that takes its place. Null is no limit; an empty list allows nothing.

ALTER TABLE api_key
    -- Operations, bots and workflows, and networks that it is limited to.
    ADD COLUMN operations text[],
    ADD COLUMN subjects text[],
    ADD COLUMN networks text[],
    ADD COLUMN requests_per_minute integer
        CONSTRAINT api_key_requests_per_minute_check CHECK (requests_per_minute > 0),
    ADD COLUMN concurrent_calls integer
        CONSTRAINT api_key_concurrent_calls_check CHECK (concurrent_calls > 0),
    ADD COLUMN daily_budget_nanos bigint
        CONSTRAINT api_key_daily_budget_check CHECK (daily_budget_nanos >= 0),
    -- The key that took its place, and when it is revoked for that.
    ADD COLUMN replaced_by text CONSTRAINT api_key_replaced_by_key UNIQUE
        CONSTRAINT api_key_replaced_by_fkey REFERENCES api_key (api_key_id),
    ADD COLUMN ends_at timestamptz,
    ADD CONSTRAINT api_key_replaced_check CHECK ((replaced_by IS NULL) = (ends_at IS NULL));

-- Each pull asks its journal for keys whose time has come. Only those that were replaced and are still
-- good are in it.
CREATE INDEX api_key_ends_idx ON api_key (journal_id, ends_at)
    WHERE ends_at IS NOT NULL AND revoked_at IS NULL;
