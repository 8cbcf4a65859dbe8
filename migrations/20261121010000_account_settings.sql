-- What an operator may set for one account, besides its group and its overdraft. Every column has a
-- default that changes nothing. Null means that there is no limit.

ALTER TABLE account
    ADD COLUMN requests_per_minute integer
        CONSTRAINT account_requests_per_minute_check CHECK (requests_per_minute > 0),
    ADD COLUMN concurrent_calls integer
        CONSTRAINT account_concurrent_calls_check CHECK (concurrent_calls > 0),
    ADD COLUMN daily_budget_nanos bigint
        CONSTRAINT account_daily_budget_check CHECK (daily_budget_nanos >= 0),
    -- Where the account's day begins, as the time zone database calls it.
    ADD COLUMN time_zone text NOT NULL DEFAULT 'Asia/Shanghai'
        CONSTRAINT account_time_zone_check CHECK (time_zone ~ '^[A-Za-z0-9+_/-]{1,64}$'),
    -- What that is in minutes ahead of UTC: the edge knows no time zones, and is told this number.
    ADD COLUMN day_offset_minutes smallint NOT NULL DEFAULT 480
        CONSTRAINT account_day_offset_check CHECK (day_offset_minutes BETWEEN -1080 AND 1080),
    -- Until when the number is known to hold. Whoever pulls later looks again, and tells the edge when
    -- summer time has begun or ended.
    ADD COLUMN day_offset_until timestamptz NOT NULL DEFAULT now(),
    -- The upstream credential, by the name that the edge's configuration gives it; null is the default.
    ADD COLUMN credential text
        CONSTRAINT account_credential_check CHECK (credential ~ '^[A-Za-z0-9_-]{1,64}$'),
    ADD COLUMN keeps_user_ids boolean NOT NULL DEFAULT false,
    ADD COLUMN balance_events boolean NOT NULL DEFAULT false;

-- Each pull asks its journal for accounts whose number has to be looked at again.
CREATE INDEX account_day_offset_idx ON account (journal_id, day_offset_until);
