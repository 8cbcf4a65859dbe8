-- What administrators did: written by the transaction that does it, never changed.
--
-- The ledger records money and says itself who moved it. This table answers the other question: who
-- did what here, in one order, whichever table it touched.

CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pkey PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    -- The name of who did it, as it was then: people may be removed, what they did stays.
    actor text NOT NULL
        CONSTRAINT audit_actor_check CHECK (actor <> '' AND char_length(actor) <= 200),
    -- By which way in.
    via text NOT NULL CONSTRAINT audit_via_check CHECK (via IN ('http', 'cli', 'origin')),
    -- Such as `account.create`. The program knows them all, so they are not listed here.
    act text NOT NULL CONSTRAINT audit_act_check CHECK (act ~ '^[a-z_]+\.[a-z_]+$'),
    -- What it was done to: an account, a key, a call, a version, a name.
    subject text NOT NULL
        CONSTRAINT audit_subject_check CHECK (subject <> '' AND char_length(subject) <= 200),
    -- What was asked for or changed. Never a secret.
    detail jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE audit IS 'What administrators did, written with it and never changed.';

-- What was done to one thing, and by one person, newest first.
CREATE INDEX audit_subject_idx ON audit (subject, audit_id);
CREATE INDEX audit_actor_idx ON audit (actor, audit_id);

CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
