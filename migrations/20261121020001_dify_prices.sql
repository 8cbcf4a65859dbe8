-- Dify gets its prices: its own cost rounded up to a whole point, and questions that a model suggests for
-- nothing. They come in a new book on top of the newest one, which stays as it is, and no sooner than
-- that one. A test compares them with the ones in the rules.

INSERT INTO price_book (price_book_id, starts_at, document, actor, reason)
SELECT price_book_id + 1, greatest(now(), starts_at),
       document || jsonb_build_object(
           'version', price_book_id + 1,
           'prices', (document -> 'prices') || '[
               {"operation": "dify_suggested", "price": {"kind": "free"}},
               {"provider": "dify",
                "price": {"kind": "cost_plus", "margin_ppm": 1000000, "step_nanos": 100000}}
           ]'::jsonb),
       'weir', 'prices for Dify'
FROM price_book ORDER BY price_book_id DESC LIMIT 1;

-- In force at once where the newest one was, as after any other change of prices.
UPDATE journal SET revision = revision + 1, book_revision = revision + 1, price_book_id = due.version
FROM (SELECT max(price_book_id) AS version FROM price_book WHERE starts_at <= now()) AS due
WHERE price_book_id < due.version;
