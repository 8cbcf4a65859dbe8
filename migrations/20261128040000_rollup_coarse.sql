-- The same sums as `rollup_hour`, coarser: with them a month of all accounts is some thousand rows to read
-- in place of a million. They are written by the same transaction and from the same entries, so they can
-- no more disagree than the others; `weir report drift` holds them against each other.

-- For what is grouped by anything but time.
CREATE TABLE rollup_day (
    account_id text NOT NULL,
    -- The start of the day, UTC, in which the calls finished.
    day_at timestamptz NOT NULL,
    operation text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    api_key_id text NOT NULL,
    calls bigint NOT NULL,
    settled bigint NOT NULL,
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    CONSTRAINT rollup_day_calls_check CHECK (calls = settled + failed),
    CONSTRAINT rollup_day_pkey PRIMARY KEY
        (account_id, day_at, operation, subject_kind, subject_id, api_key_id)
)
-- Its rows of today are rewritten by page after page. In the room that is left a new version of a row
-- stands beside the old one, and no index has to be told.
WITH (fillfactor = 70);

COMMENT ON TABLE rollup_day IS 'Calls, tokens and amounts by account, day of UTC, subject and key.';

CREATE INDEX rollup_day_day_idx ON rollup_day (day_at);

-- For the course of time over all accounts.
CREATE TABLE rollup_journal (
    -- One row for each journal and not one for all: two journals that post at the same time would wait
    -- for each other at it.
    journal_id text NOT NULL
        CONSTRAINT rollup_journal_journal_fkey REFERENCES journal (journal_id),
    -- The start of the hour, UTC, in which the calls finished.
    hour_at timestamptz NOT NULL,
    calls bigint NOT NULL,
    settled bigint NOT NULL,
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    CONSTRAINT rollup_journal_calls_check CHECK (calls = settled + failed),
    -- The hour first: it is read for a stretch of time, over all journals.
    CONSTRAINT rollup_journal_pkey PRIMARY KEY (hour_at, journal_id)
)
WITH (fillfactor = 70);

COMMENT ON TABLE rollup_journal IS 'Calls, tokens and amounts by journal and hour.';

-- What is posted already. An account's calls are all in one journal, but those of an account that is not
-- known here have only their entries to say which.
INSERT INTO rollup_day
SELECT account_id, date_trunc('day', hour_at, 'UTC'), operation, subject_kind, subject_id, api_key_id,
       sum(calls), sum(settled), sum(failed), sum(input_tokens), sum(output_tokens), sum(total_tokens),
       sum(amount_nanos)
FROM rollup_hour GROUP BY 1, 2, 3, 4, 5, 6
-- As posting fills it, so that the rows of a day lie beside each other.
ORDER BY 2;

INSERT INTO rollup_journal
SELECT journal_id, date_trunc('hour', finished_at, 'UTC'), count(*),
       count(*) FILTER (WHERE ending = 'settled'), count(*) FILTER (WHERE ending <> 'settled'),
       coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(total_tokens), 0),
       sum(amount_nanos)
FROM entry GROUP BY 1, 2 ORDER BY 2;
