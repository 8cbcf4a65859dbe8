-- Who may sign in, and who is signed in.

CREATE TABLE person (
    -- What is typed at the login.
    person_id text CONSTRAINT person_pkey PRIMARY KEY
        CONSTRAINT person_id_check CHECK (person_id ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
    -- `admin` may do everything, `finance` may read everything.
    role text NOT NULL CONSTRAINT person_role_check CHECK (role IN ('admin', 'finance')),
    -- Argon2id in the PHC format, which carries salt and cost.
    password_hash text NOT NULL
        CONSTRAINT person_password_check CHECK (password_hash LIKE '$argon2id$%'),
    created_at timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE person IS 'Who may sign in.';

CREATE TABLE session (
    -- SHA-256 of the token: whoever reads this table cannot sign in with it.
    session_hash bytea CONSTRAINT session_pkey PRIMARY KEY
        CONSTRAINT session_hash_check CHECK (octet_length(session_hash) = 32),
    -- Null for the administrator that the environment names, who has no row.
    person_id text CONSTRAINT session_person_fkey REFERENCES person (person_id) ON DELETE CASCADE,
    -- For that one: a mark of the password that was used, so that a new one ends the session.
    bootstrap_mark bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT session_whose_check CHECK ((person_id IS NULL) = (bootstrap_mark IS NOT NULL)),
    CONSTRAINT session_life_check CHECK (expires_at > created_at)
);

COMMENT ON TABLE session IS 'Who is signed in.';

CREATE INDEX session_person_idx ON session (person_id, created_at);
CREATE INDEX session_expires_idx ON session (expires_at);
