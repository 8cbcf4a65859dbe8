-- A key that signs its own requests, and one that was withdrawn under the same name.
UPDATE journal SET revision = revision + 1 WHERE journal_id = 'j0';
INSERT INTO api_key (api_key_id, account_id, journal_id, name, revoked_at, revoked_revision)
SELECT 'key_oauth', 'acme', 'j0', 'OAuth', NULL::timestamptz, NULL::bigint
UNION ALL
SELECT 'key_oauth_old', 'acme', 'j0', 'OAuth', timestamptz '2026-11-22T00:00:00Z', revision
FROM journal WHERE journal_id = 'j0';
INSERT INTO registered_key (api_key_id, app_id, kid, public_key, withdrawn, revision) VALUES
    ('key_oauth_old', '1100', 'kid_1', '\x3082', true, 1),
    ('key_oauth', '1100', 'kid_1', '\x3082', false, 2);
