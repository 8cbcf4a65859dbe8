-- One that ended, and one that was stopped half-way.
INSERT INTO rerate
    (starts_at, ends_at, account_id, price_book_id, posted_upto, entries_total, behind_at, behind_entry,
     entries, sums, began_at, ended_at)
VALUES
    ('2025-11-30T16:00:00Z', '2025-12-01T16:00:00Z', NULL, NULL, 5, 4, '2025-12-01T00:01:00Z', 5, 4,
     '{"acme": {"calls": 2, "charged_nanos": 2000, "rerated_nanos": 2000, "unpriced": 0}}',
     '2025-12-02T00:00:00Z', '2025-12-02T00:00:01Z'),
    ('2025-11-30T16:00:00Z', '2025-12-01T16:00:00Z', 'acme', 1, 5, 2, '2025-11-30T16:00:00Z', -1, 0,
     '{}', '2025-12-02T00:00:00Z', NULL);
