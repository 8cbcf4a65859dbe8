-- A key with every limit there is, which took the place of another.
INSERT INTO api_key
    (api_key_id, account_id, journal_id, name, operations, subjects, networks, requests_per_minute,
     concurrent_calls, daily_budget_nanos)
VALUES
    ('key_new', 'vip', 'j0', 'app', '{chat,workflow_run}', '{7480000000000000001}', '{10.0.0.0/8}', 10,
     2, 0);
UPDATE api_key SET replaced_by = 'key_new', ends_at = '2036-01-01T00:00:00Z'
WHERE api_key_id = 'key_vip';
