-- Price books: immutable, numbered documents. The version in force when a call is admitted is frozen
-- on the call, so that any charge can be computed again to the same nano.

CREATE TABLE price_book (
    -- The version.
    price_book_id integer CONSTRAINT price_book_pkey PRIMARY KEY
        CONSTRAINT price_book_id_check CHECK (price_book_id >= 0),
    starts_at timestamptz NOT NULL DEFAULT now(),
    -- As the pull carries it. One document and not a table of prices, because a book is used, sent
    -- and compared as a whole.
    document jsonb NOT NULL
        CONSTRAINT price_book_document_check
            CHECK ((document ->> 'version')::integer = price_book_id),
    -- Who made it, and what was changed.
    actor text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE price_book IS 'A numbered, immutable set of prices and group ratios.';

CREATE TRIGGER price_book_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON price_book
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The book of a new installation, which journals know from birth: Coze by tokens, 1 token = 1 quota.
-- A test compares it with the one in the rules.
INSERT INTO price_book (price_book_id, starts_at, document, actor, reason) VALUES (
    0, '1970-01-01T00:00:00Z',
    '{"version": 0, "deny_unpriced": false, "groups_ppm": {}, "prices": [{"price": {"kind": "per_token",
      "input_nanos_per_million": 2000000000, "output_nanos_per_million": 2000000000}}]}',
    'weir', 'a new installation'
);

ALTER TABLE journal ADD CONSTRAINT journal_price_book_fkey
    FOREIGN KEY (price_book_id) REFERENCES price_book (price_book_id);
