-- Months that were closed.
--
-- The document is the statement's one written form, hash and all, as it was handed out; the other
-- columns repeat what it is found by and what the next one begins with. What is late for a closed month
-- belongs to the next, which is why each says how far the ledger went when it was closed.

CREATE TABLE statement (
    statement_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT statement_pkey PRIMARY KEY,
    account_id text NOT NULL
        CONSTRAINT statement_account_fkey REFERENCES account (account_id),
    number integer NOT NULL CONSTRAINT statement_number_check CHECK (number > 0),
    month text NOT NULL CONSTRAINT statement_month_check CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    ends_at timestamptz NOT NULL,
    -- The last posting and the last credit that were there.
    posted_upto bigint NOT NULL,
    credited_upto bigint NOT NULL,
    closing_nanos bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT statement_hash_check CHECK (octet_length(hash) = 32),
    document text NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT statement_number_key UNIQUE (account_id, number),
    CONSTRAINT statement_month_key UNIQUE (account_id, month)
);

COMMENT ON TABLE statement IS 'A closed month of an account, as it was handed out.';

CREATE TRIGGER statement_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON statement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
