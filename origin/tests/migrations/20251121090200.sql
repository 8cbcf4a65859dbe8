-- A second book, in force in every journal.
INSERT INTO price_book (price_book_id, starts_at, document, actor, reason) VALUES (
    1, '2025-11-23T00:00:00Z',
    '{"version": 1, "deny_unpriced": false, "groups_ppm": {"vip": 1200000}, "prices": [
        {"subject": "7480000000000000002", "price": {"kind": "per_call", "amount_nanos": 1000000000}},
        {"operation": "audio_speech", "price": {"kind": "per_unit", "amount_nanos": 3000}},
        {"price": {"kind": "per_token", "input_nanos_per_million": 2000000000,
                   "output_nanos_per_million": 2000000000}}]}',
    'root', 'set group vip to ratio 1.2'
);
UPDATE journal SET revision = revision + 1, book_revision = revision + 1, price_book_id = 1;
