-- Upstream's own bill may decide about a call, too: it names a call that the wire could not name, and
-- says what it used. Such an order is carried out like any other, and its entry's source is `bill`.

ALTER TABLE call_order
    ADD COLUMN source text NOT NULL DEFAULT 'operator'
        CONSTRAINT call_order_source_check CHECK (source IN ('operator', 'bill'));

ALTER TABLE entry
    DROP CONSTRAINT entry_source_check,
    ADD CONSTRAINT entry_source_check
        CHECK (source IN ('reported', 'retrieved', 'missing', 'operator', 'bill'));
