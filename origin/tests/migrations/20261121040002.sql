-- A finding that somebody looked into.
UPDATE finding SET state = 'explained', state_reason = 'upstream was down', state_actor = 'li',
    state_at = '2026-11-22T00:00:00Z'
WHERE call_id = 'call_4';
