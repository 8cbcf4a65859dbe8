-- What becomes of a journal whose store was lost, or was put back from an old copy.
--
-- Entries never change and none is posted twice, so a journal that does not continue what is posted
-- stops, and an operator decides to go on with what is there now. What is posted from then on stands
-- under a name of its own: the epoch that the edge names, with a number where the same epoch goes on
-- from an earlier entry. That keeps every place in a journal unique, the old ones included.

CREATE TABLE journal_epoch (
    journal_epoch_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT journal_epoch_pkey PRIMARY KEY,
    journal_id text NOT NULL
        CONSTRAINT journal_epoch_journal_fkey REFERENCES journal (journal_id),
    -- As the edge names it.
    epoch text NOT NULL,
    -- As its entries are posted.
    posted_as text NOT NULL,
    -- The entry that the first one under that name continues, and as what it is posted; 0 and null where
    -- the chain begins.
    behind_seq bigint NOT NULL CONSTRAINT journal_epoch_behind_check CHECK (behind_seq >= 0),
    behind_posted_as text,
    -- Where the cursor stood before the decision, and where it stood after.
    left_posted_as text,
    left_seq bigint NOT NULL,
    cursor_seq bigint NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL
        CONSTRAINT journal_epoch_reason_check
            CHECK (reason <> '' AND char_length(reason) <= 1000),
    accepted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT journal_epoch_root_check CHECK ((behind_seq = 0) = (behind_posted_as IS NULL))
);

COMMENT ON TABLE journal_epoch IS 'A decision to go on with a journal as it is now.';

CREATE INDEX journal_epoch_journal_idx ON journal_epoch (journal_id, journal_epoch_id);

CREATE TRIGGER journal_epoch_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_epoch
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Under which name the journal's entries are posted; null while that is the epoch itself.
ALTER TABLE journal ADD COLUMN posted_as text;

-- What the ledger has charged an account and its journal does not know of: it is taken off the credits
-- that the edge is told, so that nobody spends them a second time. Ledger's spent = journal's spent +
-- this, always.
ALTER TABLE account ADD COLUMN carried_nanos bigint NOT NULL DEFAULT 0;

-- Calls that came again out of an old copy, after they had been posted. They are links of the chain and
-- move no money.
CREATE TABLE entry_again (
    journal_id text NOT NULL,
    epoch text NOT NULL,
    seq bigint NOT NULL,
    call_id text NOT NULL,
    account_id text NOT NULL,
    amount_nanos bigint NOT NULL,
    total_nanos bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT entry_again_hash_check CHECK (octet_length(hash) = 32),
    seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT entry_again_pkey PRIMARY KEY (journal_id, epoch, seq)
);

COMMENT ON TABLE entry_again IS 'A call that a journal''s old copy brought a second time; it is not posted again.';

CREATE TRIGGER entry_again_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entry_again
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Calls that were open when their journal's store was last heard of, and that the store which took its
-- place does not have open.
CREATE TABLE lost_call (
    call_id text CONSTRAINT lost_call_pkey PRIMARY KEY,
    journal_id text NOT NULL,
    account_id text NOT NULL,
    admitted_at timestamptz NOT NULL,
    document jsonb NOT NULL,
    lost_at timestamptz NOT NULL
);

COMMENT ON TABLE lost_call IS 'A call that was open when its journal''s store was lost.';

CREATE INDEX lost_call_journal_idx ON lost_call (journal_id, lost_at);
