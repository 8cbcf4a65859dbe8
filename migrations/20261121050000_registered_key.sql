-- Public keys of callers who sign their own requests for tokens (OAuth JWT).
--
-- A registered key is a key like any other, with a row in api_key by which it is named, listed and
-- revoked, and which says what it may do. Here stands what the edge verifies its statements with: nothing of it is a secret.

CREATE TABLE registered_key (
    api_key_id text CONSTRAINT registered_key_pkey PRIMARY KEY
        CONSTRAINT registered_key_api_key_fkey REFERENCES api_key (api_key_id),
    -- `iss` and `kid` of its statements: by these two the edge finds it, before it knows any account.
    app_id text NOT NULL
        CONSTRAINT registered_key_app_check CHECK (octet_length(app_id) BETWEEN 1 AND 256),
    kid text NOT NULL
        CONSTRAINT registered_key_kid_check CHECK (octet_length(kid) BETWEEN 1 AND 256),
    -- A SubjectPublicKeyInfo (RFC 5280 §4.1) in DER.
    public_key bytea NOT NULL
        CONSTRAINT registered_key_public_key_check CHECK (octet_length(public_key) BETWEEN 1 AND 1024),
    -- Taken back: the edge need not know it any more.
    withdrawn boolean NOT NULL DEFAULT false,
    -- The revision, of the journal that lists these keys, at which this row last changed.
    revision bigint NOT NULL CONSTRAINT registered_key_revision_key UNIQUE
);

COMMENT ON TABLE registered_key IS 'What the statements of a registered key are verified with.';

-- One name, one key: a statement has to mean one account.
CREATE UNIQUE INDEX registered_key_name_key ON registered_key (app_id, kid) WHERE NOT withdrawn;
