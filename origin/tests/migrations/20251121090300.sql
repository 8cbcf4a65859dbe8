-- Credits of every kind, and the first calls of two journals: one ends in the last millisecond of
-- November and one in the first of December, one failed, one was given up and is a finding.
INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, reference, created_at) VALUES
    ('acme', 'grant', 2000000000, 'a new account', 'root', NULL, '2025-11-22T00:00:00Z'),
    ('acme', 'top_up', 1000000000, 'paid', 'root', 'pay_1', '2025-11-24T00:00:00Z'),
    ('acme', 'refund', 4096, 'a failed evening', 'root', NULL, '2025-12-03T00:00:00Z'),
    ('vip', 'top_up', 1200000000, 'paid', 'root', 'pay_2', '2025-11-24T00:00:00Z'),
    ('vip', 'adjustment', -8192, 'given by mistake', 'root', NULL, '2025-11-25T00:00:00Z');
INSERT INTO balance (account_id, credits_nanos) VALUES
    ('acme', 3000004096), ('vip', 1199991808), ('whale_co', 0);
SELECT entry_month_make('2025-11-30T23:59:59.999Z'), entry_month_make('2025-12-01T00:00:00Z');

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 1, 'call_1', 'acme', 2000, '2025-11-30T23:59:59.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens, execute_id
) SELECT
    posting_id, 'j0', 'e1', 1, 'call_1', 'acme', 'key_acme', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-11-30T23:59:59.499Z', '2025-11-30T23:59:59.999Z', 'settled', 'reported', false,
    2000, 2000, '\xd54d5c189b92ca546c6d6d63445ba231eac2949dc0d7ec4a4a7d9e16d1ead1df', 200, 0, 0, 1,
    1, '7500000000000000001'
FROM posting WHERE call_id = 'call_1';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-11-30T23:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_acme',
    1, 1, 0, 0, 1, 1, 2000);
UPDATE balance SET spent_nanos = spent_nanos + 2000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 1, cursor_total_nanos = 2000,
    cursor_hash = '\xd54d5c189b92ca546c6d6d63445ba231eac2949dc0d7ec4a4a7d9e16d1ead1df'
WHERE journal_id = 'j0';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 2, 'call_2', 'vip', 1200000000, '2025-12-01T00:00:00.000Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens, execute_id
) SELECT
    posting_id, 'j0', 'e1', 2, 'call_2', 'vip', 'key_vip', 'workflow_run', 'workflow',
    '7480000000000000002', 'vip', 1, '{"kind":"per_call","amount_nanos":1000000000}', 1200000,
    '2025-11-30T23:59:59.500Z', '2025-12-01T00:00:00.000Z', 'settled', 'reported', false,
    1200000000, 1200002000, '\x6c249f58943458aeea910d5e19bfd46a9fcb2e267a82835cc686ec2ab7f87c90',
    200, 0, 1, 1, 2, '7500000000000000001'
FROM posting WHERE call_id = 'call_2';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('vip', '2025-12-01T00:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000002', 'key_vip',
    1, 1, 0, 1, 1, 2, 1200000000);
UPDATE balance SET spent_nanos = spent_nanos + 1200000000, entries = entries + 1 WHERE account_id = 'vip';
UPDATE journal SET epoch = 'e1', cursor_seq = 2, cursor_total_nanos = 1200002000,
    cursor_hash = '\x6c249f58943458aeea910d5e19bfd46a9fcb2e267a82835cc686ec2ab7f87c90'
WHERE journal_id = 'j0';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 3, 'call_3', 'acme', 0, '2025-12-01T00:00:59.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, log_id
) SELECT
    posting_id, 'j0', 'e1', 3, 'call_3', 'acme', 'key_acme', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-12-01T00:00:59.499Z', '2025-12-01T00:00:59.999Z', 'released', 'missing', false,
    0, 1200002000, '\x596a00f059953a61fd54d03cc76fc4eeb8b29bf9303ae0b49fb8e309873b461d', 500, 5000,
    '20251201080059A1'
FROM posting WHERE call_id = 'call_3';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-12-01T00:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_acme',
    1, 0, 1, 0, 0, 0, 0);
UPDATE balance SET spent_nanos = spent_nanos + 0, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 3, cursor_total_nanos = 1200002000,
    cursor_hash = '\x596a00f059953a61fd54d03cc76fc4eeb8b29bf9303ae0b49fb8e309873b461d'
WHERE journal_id = 'j0';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 4, 'call_4', 'acme', 0, '2025-12-02T00:59:59.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, chat_id, conversation_id
) SELECT
    posting_id, 'j0', 'e1', 4, 'call_4', 'acme', 'key_acme', 'chat', 'bot', '7490000000000000001',
    'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-12-02T00:59:59.499Z', '2025-12-02T00:59:59.999Z', 'expired', 'missing', true, 0,
    1200002000, '\x0837006b78acaf38b24c8cd0e6664ace3bc113148f8f577c17e5a05599262f1d',
    '7510000000000000001', '7520000000000000001'
FROM posting WHERE call_id = 'call_4';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-12-02T00:00:00.000Z', 'chat', 'bot', '7490000000000000001', 'key_acme',
    1, 0, 1, 0, 0, 0, 0);
UPDATE balance SET spent_nanos = spent_nanos + 0, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 4, cursor_total_nanos = 1200002000,
    cursor_hash = '\x0837006b78acaf38b24c8cd0e6664ace3bc113148f8f577c17e5a05599262f1d'
WHERE journal_id = 'j0';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('whale', 'w1', 1, 'call_5', 'whale_co', 8000, '2025-12-01T00:00:01.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens, execute_id
) SELECT
    posting_id, 'whale', 'w1', 1, 'call_5', 'whale_co', 'key_whale', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-12-01T00:00:01.499Z', '2025-12-01T00:00:01.999Z', 'settled', 'retrieved', false,
    8000, 8000, '\x8bee52a35bf7644c006cdde2a00a55a47715ca7d0707982db32de80177fa2771', 200, 0, 4, 0,
    4, '7500000000000000001'
FROM posting WHERE call_id = 'call_5';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('whale_co', '2025-12-01T00:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_whale',
    1, 1, 0, 4, 0, 4, 8000);
UPDATE balance SET spent_nanos = spent_nanos + 8000, entries = entries + 1 WHERE account_id = 'whale_co';
UPDATE journal SET epoch = 'w1', cursor_seq = 1, cursor_total_nanos = 8000,
    cursor_hash = '\x8bee52a35bf7644c006cdde2a00a55a47715ca7d0707982db32de80177fa2771'
WHERE journal_id = 'whale';

INSERT INTO finding
    (journal_id, code, epoch, seq, call_id, detail, state, found_at, last_seen_at, times_seen)
VALUES
    ('j0', 'usage_missing', 'e1', 4, 'call_4', 'whether it succeeded is not known', 'open',
     '2025-12-02T01:00:00Z', '2025-12-02T01:00:00Z', 1),
    ('j0', 'totals_differ', 'e1', 4, NULL, 'told 1, counted 2', 'resolved',
     '2025-12-02T01:00:00Z', '2025-12-02T02:00:00Z', 60);
