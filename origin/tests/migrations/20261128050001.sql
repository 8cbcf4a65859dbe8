-- A test that failed, and the next one.
INSERT INTO self_test (ran_at, passed, detail) VALUES
    ('2025-12-03T00:00:00Z', false, 'a charge that is wrong by one nano: the findings are []'),
    ('2025-12-03T01:00:00Z', true, 'a charge and a total, each wrong by one nano, were noticed');
