-- What was brought over from another program: whose account became whose, which prices were taken, and
-- what it had logged.
--
-- Each is taken once, and these tables remember that it was: what is changed there or here afterwards is
-- no business of a second import. History is for reading. What an account had left already has its past
-- taken off, so no row of it is ever part of a balance, a rollup or a statement.

CREATE TABLE imported_account (
    -- Which installation of the other program it was.
    instance text NOT NULL
        CONSTRAINT imported_account_instance_check CHECK (instance ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- Its number and its name there.
    user_id bigint NOT NULL,
    user_name text NOT NULL,
    account_id text NOT NULL CONSTRAINT imported_account_account_key UNIQUE
        CONSTRAINT imported_account_account_fkey REFERENCES account (account_id),
    -- What it had left.
    quota bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imported_account_pkey PRIMARY KEY (instance, user_id)
);

COMMENT ON TABLE imported_account IS 'A user of another program, and the account made of it.';

CREATE TRIGGER imported_account_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON imported_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE imported_price (
    instance text NOT NULL
        CONSTRAINT imported_price_instance_check CHECK (instance ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- A workflow's or bot's price in nanos, or a group's ratio in parts per million.
    kind text NOT NULL CONSTRAINT imported_price_kind_check CHECK (kind IN ('subject', 'group')),
    name text NOT NULL,
    value bigint NOT NULL CONSTRAINT imported_price_value_check CHECK (value >= 0),
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imported_price_pkey PRIMARY KEY (instance, kind, name)
);

COMMENT ON TABLE imported_price IS 'A price or a ratio of another program that was looked at, and what it was.';

CREATE TRIGGER imported_price_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON imported_price
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE imported_call (
    instance text NOT NULL
        CONSTRAINT imported_call_instance_check CHECK (instance ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- Its number there.
    log_id bigint NOT NULL,
    -- No reference: rows come by the million, before the accounts they belong to, so that the rows which
    -- every pull waits for are locked for the shortest time.
    account_id text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CONSTRAINT imported_call_kind_check CHECK (kind IN ('consume', 'top_up')),
    -- As they are called there.
    model text NOT NULL,
    token_name text NOT NULL,
    amount_nanos bigint NOT NULL,
    input_tokens bigint NOT NULL CONSTRAINT imported_call_input_check CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CONSTRAINT imported_call_output_check CHECK (output_tokens >= 0),
    duration_s bigint NOT NULL CONSTRAINT imported_call_duration_check CHECK (duration_s >= 0),
    is_stream boolean NOT NULL,
    CONSTRAINT imported_call_pkey PRIMARY KEY (instance, log_id)
);

COMMENT ON TABLE imported_call IS 'A call or a top-up that another program logged: history, no movement of money.';

-- One account's, newest first, page by page; and everybody's.
CREATE INDEX imported_call_account_idx ON imported_call (account_id, at, instance, log_id);
CREATE INDEX imported_call_at_idx ON imported_call (at, instance, log_id);

CREATE TRIGGER imported_call_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON imported_call
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
