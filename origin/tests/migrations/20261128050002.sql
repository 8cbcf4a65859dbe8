-- A check that found something, and one that was stopped.
INSERT INTO backfill (is_check, entries_total, entries, next_hour_at, day_at, differences, differing,
                      began_at, ended_at)
VALUES
    (true, 3, 3, '2025-12-01T01:00:00Z', NULL,
     '[{"account": "acme", "hour": null, "of": "balance", "field": "spent_nanos", "stands": 1, "should": 2}]',
     1, '2025-12-03T00:00:00Z', '2025-12-03T00:00:01Z'),
    (false, 3, 1, '2025-12-01T00:00:00Z', '2025-11-30T00:00:00Z', '[]', 0, '2025-12-03T00:00:00Z', NULL);
