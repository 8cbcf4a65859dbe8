-- One call that an operator settled, and an order that is still under way.
UPDATE journal SET revision = revision + 2 WHERE journal_id = 'j0';
INSERT INTO call_order
    (call_id, journal_id, action, input_tokens, output_tokens, total_tokens, reason, actor, revision)
VALUES
    ('call_8', 'j0', 'settle', 16, 16, 32, 'as upstream''s own page has it', 'root', 5),
    ('call_open', 'j0', 'release', NULL, NULL, NULL, 'never began', 'root', 6);

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 7, 'call_8', 'acme', 64000, '2025-12-03T07:33:19.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, input_tokens, output_tokens, total_tokens
) SELECT
    posting_id, 'j0', 'e1', 7, 'call_8', 'acme', 'key_acme', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-12-03T07:33:19.499Z', '2025-12-03T07:33:19.999Z', 'settled', 'operator', false,
    64000, 1200130000, '\x9fc4a96830cb08b01e21aebc6004699e1d50c76cb97875e821d87d2270e81fe3', 16, 16,
    32
FROM posting WHERE call_id = 'call_8';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-12-03T07:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_acme',
    1, 1, 0, 16, 16, 32, 64000);
UPDATE balance SET spent_nanos = spent_nanos + 64000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 7, cursor_total_nanos = 1200130000,
    cursor_hash = '\x9fc4a96830cb08b01e21aebc6004699e1d50c76cb97875e821d87d2270e81fe3'
WHERE journal_id = 'j0';
