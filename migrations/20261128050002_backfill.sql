-- Sums built again from the entries, hour by hour.
--
-- A row is kept while one is under way, so that it can be stopped and gone on with, and afterwards as the
-- record of what was found.

CREATE TABLE backfill (
    backfill_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT backfill_pkey PRIMARY KEY,
    -- It only looks; nothing is changed.
    is_check boolean NOT NULL,
    -- What there was when it began, so that progress can be told.
    entries_total bigint NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    -- The first hour that is not done.
    next_hour_at timestamptz NOT NULL,
    -- The day whose hours are under way, and whose own sums come after them.
    day_at timestamptz,
    -- The first of the differences; all of them are counted.
    differences jsonb NOT NULL DEFAULT '[]',
    differing bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

COMMENT ON TABLE backfill IS 'Rollups and balances built again from entries: under way, or what was found.';

-- One under way of each kind.
CREATE UNIQUE INDEX backfill_open_key ON backfill (is_check) WHERE ended_at IS NULL;
