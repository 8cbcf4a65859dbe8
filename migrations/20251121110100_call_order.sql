-- What operators decide by hand about calls that are still open.
--
-- An order is a change like any other: it takes a revision of its journal and goes down with the next
-- pull, and the journal carries it out once however often it comes. What became of it is the call's
-- entry, whose source is then `operator`. Orders are never changed or taken back: once the call has
-- ended, money is corrected by a credit.

CREATE TABLE call_order (
    call_id text NOT NULL
        CONSTRAINT call_order_call_check CHECK (call_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- The journal that is told.
    journal_id text NOT NULL
        CONSTRAINT call_order_journal_fkey REFERENCES journal (journal_id),
    action text NOT NULL
        CONSTRAINT call_order_action_check CHECK (action IN ('settle', 'release')),
    -- What it is charged by, where the price needs tokens.
    input_tokens bigint CONSTRAINT call_order_input_check CHECK (input_tokens >= 0),
    output_tokens bigint CONSTRAINT call_order_output_check CHECK (output_tokens >= 0),
    total_tokens bigint CONSTRAINT call_order_total_check CHECK (total_tokens >= 0),
    reason text NOT NULL
        CONSTRAINT call_order_reason_check CHECK (reason <> '' AND char_length(reason) <= 1000),
    -- Who decided.
    actor text NOT NULL
        CONSTRAINT call_order_actor_check CHECK (actor <> '' AND char_length(actor) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The journal's revision at which it was given.
    revision bigint NOT NULL,
    -- Once per call. The journal is part of it because an operator may name the wrong one, in which
    -- nothing happens; a call is kept by one journal, so at most one of its orders is ever carried out.
    CONSTRAINT call_order_pkey PRIMARY KEY (call_id, journal_id),
    -- One change, one revision, as for accounts; also the order in which they are sent.
    CONSTRAINT call_order_revision_key UNIQUE (journal_id, revision),
    CONSTRAINT call_order_usage_check CHECK (
        (action = 'settle' OR total_tokens IS NULL)
        AND (total_tokens IS NOT NULL OR (input_tokens IS NULL AND output_tokens IS NULL))
    )
);

COMMENT ON TABLE call_order IS 'An operator''s decision about a call that was still open.';

CREATE TRIGGER call_order_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON call_order
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An entry's reading may now come from a person.
ALTER TABLE entry
    DROP CONSTRAINT entry_source_check,
    ADD CONSTRAINT entry_source_check
        CHECK (source IN ('reported', 'retrieved', 'missing', 'operator'));

-- What was found about one call, whether it is open or closed by now.
CREATE INDEX finding_call_idx ON finding (call_id) WHERE call_id IS NOT NULL;
