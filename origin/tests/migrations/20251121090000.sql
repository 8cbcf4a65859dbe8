-- A journal beside the eight, one that was pulled, and one whose last pull failed.
INSERT INTO journal (journal_id) VALUES ('whale');
UPDATE journal SET seen_epoch = 'e1', head_seq = 3, head_total_nanos = 1200002000, open_holds = 1,
    oldest_hold_at = '2025-12-01T00:00:30Z', last_pull_at = '2025-12-01T00:01:00Z'
WHERE journal_id = 'j0';
UPDATE journal SET stopped_by = 'gap', last_error = 'the edge answered 503',
    last_error_at = '2025-12-01T00:01:00Z'
WHERE journal_id = 'j7';
