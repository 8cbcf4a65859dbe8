-- An account that is low, an alarm about it that was taken, and one that was not.
UPDATE account SET low_balance_nanos = 1000000000, low_since = '2025-12-03T00:00:00Z'
WHERE account_id = 'acme';
INSERT INTO alarm (kind, subject, detail, is_spread) VALUES
    ('low_balance', 'acme', '{"name": "Acme"}', true), ('finding', 'j0', '{"count": 1, "findings": []}', true);
INSERT INTO alarm_delivery (alarm_id, webhook, state, attempts, due_at, ended_at, last_error) VALUES
    (1, '00112233aabbccdd', 'sent', 1, '2025-12-03T00:00:00Z', '2025-12-03T00:00:01Z', NULL),
    (2, '00112233aabbccdd', 'waiting', 2, '2025-12-03T00:00:05Z', NULL, 'it answered 500: ');
