-- Three accounts in two journals; a key in use, one that ends, one that was revoked.
UPDATE journal SET revision = 3 WHERE journal_id = 'j0';
UPDATE journal SET revision = 1 WHERE journal_id = 'whale';
INSERT INTO account
    (account_id, journal_id, name, status, group_name, overdraft_nanos, revision, created_at)
VALUES
    ('acme', 'j0', 'Acme', 'active', 'default', NULL, 1, '2025-11-22T00:00:00Z'),
    ('vip', 'j0', 'VIP 客户', 'suspended', 'vip', 1000, 2, '2025-11-22T00:00:01Z'),
    ('whale_co', 'whale', 'Whale', 'active', 'default', 0, 1, '2025-11-22T00:00:02Z');
INSERT INTO api_key
    (api_key_id, account_id, journal_id, name, created_at, expires_at, revoked_at, revoked_revision,
     last_used_at)
VALUES
    ('key_acme', 'acme', 'j0', 'app', '2025-11-22T00:01:00Z', NULL, NULL, NULL,
     '2025-12-02T00:59:59.499Z'),
    ('key_vip', 'vip', 'j0', 'app', '2025-11-22T00:01:00Z', '2035-01-01T00:00:00Z', NULL, NULL, NULL),
    ('key_old', 'acme', 'j0', 'old app', '2025-11-22T00:01:00Z', NULL, '2025-11-23T00:00:00Z', 3, NULL),
    ('key_whale', 'whale_co', 'whale', 'app', '2025-11-22T00:01:00Z', NULL, NULL, NULL, NULL);
