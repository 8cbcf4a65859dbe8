-- Price books that are planned: a book has a start, and of several with the same start the newest counts.
-- The edge is told the next one ahead, so that it comes into force on time; which one that is, each
-- journal's row says beside the book in force.

ALTER TABLE journal
    -- Null while nothing is planned.
    ADD COLUMN next_book_id integer
        CONSTRAINT journal_next_book_fkey REFERENCES price_book (price_book_id);

-- What is in force at a time is the last row up to it.
CREATE INDEX price_book_starts_idx ON price_book (starts_at, price_book_id);
