-- An account with every limit there is.
UPDATE journal SET revision = revision + 1 WHERE journal_id = 'j0';
UPDATE account SET requests_per_minute = 60, concurrent_calls = 5, daily_budget_nanos = 5000000000,
    time_zone = 'America/New_York', day_offset_minutes = -300,
    day_offset_until = '2026-03-08T07:00:00Z', credential = 'second', keeps_user_ids = true,
    balance_events = true, revision = 7
WHERE account_id = 'vip';
