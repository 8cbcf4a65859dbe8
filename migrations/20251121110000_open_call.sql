-- The calls that are still open, as the journals told them last.
--
-- A table and not a document on the journal's row: one call and one account's calls are asked for by
-- themselves, and the row of a journal is locked and rewritten by every pull, so it stays small. When
-- they were told is the journal's `last_pull_at`, since each pull replaces what its journal told
-- before; a call that is told unchanged costs no write.

CREATE TABLE open_call (
    journal_id text NOT NULL
        CONSTRAINT open_call_journal_fkey REFERENCES journal (journal_id),
    call_id text NOT NULL,
    -- No reference, as in `balance`: a journal may know accounts that an older copy of us does not.
    account_id text NOT NULL,
    admitted_at timestamptz NOT NULL,
    -- As the pull carries it.
    document jsonb NOT NULL,
    -- The call first, which is how one is looked for; two journals that claim the same call are both
    -- heard.
    CONSTRAINT open_call_pkey PRIMARY KEY (call_id, journal_id)
);

COMMENT ON TABLE open_call IS 'A call that was admitted and not finished when its journal was last pulled; the oldest of each journal.';

-- What a pull replaces.
CREATE INDEX open_call_journal_idx ON open_call (journal_id, call_id);
-- One account's, oldest first.
CREATE INDEX open_call_account_idx ON open_call (account_id, admitted_at);
