-- Re-ratings: what calls of some time should have cost, added up page by page.
--
-- A row is kept while one is under way, so that it can be stopped and gone on with, and afterwards as
-- the record of what was found. Money moves only by the credits that one posts.

CREATE TABLE rerate (
    rerate_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rerate_pkey PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CONSTRAINT rerate_stretch_check CHECK (ends_at > starts_at),
    -- Null for all accounts.
    account_id text CONSTRAINT rerate_account_fkey REFERENCES account (account_id),
    -- Null for the version that was frozen on each call.
    price_book_id integer CONSTRAINT rerate_book_fkey REFERENCES price_book (price_book_id),
    -- What stood in the ledger when it began.
    posted_upto bigint NOT NULL,
    entries_total bigint NOT NULL,
    -- How far it went.
    behind_at timestamptz NOT NULL,
    behind_entry bigint NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    -- By account: how many calls, what they were charged, what they should have been.
    sums jsonb NOT NULL DEFAULT '{}',
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

COMMENT ON TABLE rerate IS 'A re-rating: under way, or what it found.';

-- One under way for each question.
CREATE UNIQUE INDEX rerate_open_key ON rerate
    (starts_at, ends_at, coalesce(account_id, ''), coalesce(price_book_id, -1)) WHERE ended_at IS NULL;
