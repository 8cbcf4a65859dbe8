-- The daily proof that a difference is noticed.
--
-- A page with a drift of one nano is posted to a journal and an account that are nobody's, and has to raise
-- the alarm. It is posted by a transaction that is never committed, so no call of it stands anywhere; what
-- came of it is kept here.

ALTER TABLE journal ADD COLUMN scratch boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN journal.scratch IS 'It is at no edge: nothing is pulled from it, and no account lives in it.';

ALTER TABLE account ADD COLUMN scratch boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN account.scratch IS 'It is nobody''s, and exists only while it is tried whether a drift is noticed.';

-- Nobody is woken to pull what is at no edge.
CREATE OR REPLACE FUNCTION journal_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.scratch THEN
        PERFORM pg_notify('journal_changed', NEW.journal_id);
    END IF;
    RETURN NULL;
END
$$;

INSERT INTO journal (journal_id, scratch) VALUES ('self-test', true);

-- An account that somebody made lives where it is pulled, and one of a test where it is not.
CREATE FUNCTION account_scratch_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.scratch IS DISTINCT FROM (SELECT scratch FROM journal j WHERE j.journal_id = NEW.journal_id) THEN
        RAISE EXCEPTION 'journal % is for no such account', NEW.journal_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'account_scratch_check';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER account_scratch BEFORE INSERT OR UPDATE OF journal_id, scratch ON account
    FOR EACH ROW EXECUTE FUNCTION account_scratch_check();

CREATE TABLE self_test (
    self_test_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT self_test_pkey PRIMARY KEY,
    ran_at timestamptz NOT NULL,
    passed boolean NOT NULL,
    -- For people: what was noticed, or what was not.
    detail text NOT NULL
);

COMMENT ON TABLE self_test IS 'Whether a drift of one nano was noticed.';

CREATE INDEX self_test_passed_idx ON self_test (ran_at) WHERE passed;
