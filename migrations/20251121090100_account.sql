-- Who pays, and the keys they were given.

CREATE TABLE account (
    account_id text CONSTRAINT account_pkey PRIMARY KEY
        CONSTRAINT account_id_check CHECK (account_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- Where its calls are kept. It never changes: every key of the account names it.
    journal_id text NOT NULL
        CONSTRAINT account_journal_fkey REFERENCES journal (journal_id),
    -- For people. Unique, so that an operator can say it in place of the id.
    name text NOT NULL CONSTRAINT account_name_key UNIQUE
        CONSTRAINT account_name_check CHECK (name <> '' AND char_length(name) <= 200),
    status text NOT NULL DEFAULT 'active'
        CONSTRAINT account_status_check CHECK (status IN ('active', 'suspended')),
    -- A group is only a name: its ratio stands in the price book, and one that is not named there
    -- has ratio 1. A table of groups would be a second place to disagree with.
    group_name text NOT NULL DEFAULT 'default'
        CONSTRAINT account_group_check CHECK (group_name ~ '^[A-Za-z0-9_-]{1,64}$'),
    -- How far below zero it may go; null is as far as it happens to.
    overdraft_nanos bigint
        CONSTRAINT account_overdraft_check CHECK (overdraft_nanos >= 0),
    -- The journal's revision at which this row, or the sum of its credits, last changed.
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- One change, one revision: a pull that carries the first thousand changes can then say exactly
    -- how far it went. Also the order in which changes are read.
    CONSTRAINT account_revision_key UNIQUE (journal_id, revision)
);

COMMENT ON TABLE account IS 'Who pays.';

-- Keys are shown once and stored nowhere: what is kept is enough to name, revoke and date them.
CREATE TABLE api_key (
    -- The `jti` of the token.
    api_key_id text CONSTRAINT api_key_pkey PRIMARY KEY
        CONSTRAINT api_key_id_check CHECK (api_key_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    account_id text NOT NULL
        CONSTRAINT api_key_account_fkey REFERENCES account (account_id),
    -- The account's, repeated so that revoked keys can be read in the order of revisions.
    journal_id text NOT NULL
        CONSTRAINT api_key_journal_fkey REFERENCES journal (journal_id),
    name text NOT NULL
        CONSTRAINT api_key_name_check CHECK (name <> '' AND char_length(name) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    -- The journal's revision at which it was revoked.
    revoked_revision bigint,
    -- When the last posted call that used it was admitted.
    last_used_at timestamptz,
    CONSTRAINT api_key_revoked_check CHECK ((revoked_at IS NULL) = (revoked_revision IS NULL)),
    -- Nulls are distinct, so that keys in use do not collide.
    CONSTRAINT api_key_revoked_key UNIQUE (journal_id, revoked_revision)
);

COMMENT ON TABLE api_key IS 'A key that was issued, without the key.';

CREATE INDEX api_key_account_idx ON api_key (account_id, created_at);
