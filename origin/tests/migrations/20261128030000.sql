-- A book that is planned, and was told ahead.
INSERT INTO price_book (price_book_id, starts_at, document, actor, reason)
SELECT 3, '2099-01-01T00:00:00Z',
       document || '{"version": 3, "groups_ppm": {"vip": 1300000}}', 'root',
       'set group vip to ratio 1.3'
FROM price_book WHERE price_book_id = 2;
UPDATE journal SET revision = revision + 1, book_revision = revision + 1, next_book_id = 3;
