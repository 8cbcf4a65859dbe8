-- The journals at the edge, and how far each of them is posted.
--
-- One row is the meeting point of a journal's two directions. Upwards it is the cursor: the posting
-- transaction locks it first, so that a page is posted once however often it comes. Downwards it is
-- the clock: whoever changes what the edge must know adds one to `revision` in the same transaction.
-- The row lock makes the order of commits the order of revisions, so that "all changes up to N" has
-- no holes.

CREATE TABLE journal (
    -- Its name, as it stands in keys and in the URL of the pull.
    journal_id text CONSTRAINT journal_pkey PRIMARY KEY
        CONSTRAINT journal_id_check CHECK (journal_id ~ '^[A-Za-z0-9_-]{1,64}$'),

    -- The epoch whose entries are posted; null until the first page.
    epoch text,
    -- The last entry posted, and what the chain said there. Nanos of the currency are bigint
    -- everywhere: nine billion units fit, and sums stay exact.
    cursor_seq bigint NOT NULL DEFAULT 0
        CONSTRAINT journal_cursor_seq_check CHECK (cursor_seq >= 0),
    cursor_total_nanos bigint NOT NULL DEFAULT 0,
    cursor_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
        CONSTRAINT journal_cursor_hash_check CHECK (octet_length(cursor_hash) = 32),
    -- The code of the finding that keeps pages from being posted; null while all is well.
    stopped_by text,

    -- Counts the changes made here.
    revision bigint NOT NULL DEFAULT 0,
    -- The revision that the edge last said it had applied.
    applied bigint NOT NULL DEFAULT 0
        CONSTRAINT journal_applied_check CHECK (applied >= 0),
    -- The price book this journal is to use, and the revision at which that was decided.
    price_book_id integer NOT NULL DEFAULT 0,
    book_revision bigint NOT NULL DEFAULT 0,

    -- What the edge said at the last pull.
    seen_epoch text,
    head_seq bigint NOT NULL DEFAULT 0,
    head_total_nanos bigint NOT NULL DEFAULT 0,
    open_holds bigint NOT NULL DEFAULT 0,
    oldest_hold_at timestamptz,
    last_pull_at timestamptz,
    -- Why the last attempt failed; null when it did not.
    last_error text,
    last_error_at timestamptz,

    CONSTRAINT journal_revision_check CHECK (revision >= book_revision)
);

COMMENT ON TABLE journal IS 'A Durable Object at the edge: how far it is posted, and what it must be told.';

-- Eight spread the load of a new installation; more can be added at any time, since an account stays
-- in the journal that its keys name.
INSERT INTO journal (journal_id) SELECT 'j' || n FROM generate_series(0, 7) AS n;

-- Whoever pulls is told at once, whichever process made the change.
CREATE FUNCTION journal_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('journal_changed', NEW.journal_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER journal_changed AFTER UPDATE OF revision ON journal
    FOR EACH ROW WHEN (OLD.revision IS DISTINCT FROM NEW.revision)
    EXECUTE FUNCTION journal_notify();
CREATE TRIGGER journal_added AFTER INSERT ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_notify();

-- For tables that are only ever added to.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
