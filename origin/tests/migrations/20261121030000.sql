-- A call that upstream's bill settled.
UPDATE journal SET revision = revision + 1 WHERE journal_id = 'j0';
INSERT INTO call_order
    (call_id, journal_id, action, input_tokens, output_tokens, total_tokens, reason, actor, revision,
     source)
SELECT 'call_11', 'j0', 'settle', 128, 128, 256, 'named by the bill', 'coze bill', revision, 'bill'
FROM journal WHERE journal_id = 'j0';
UPDATE journal SET last_pull_at = '2026-11-22T02:00:00Z';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 10, 'call_11', 'acme', 512000, '2026-11-22T01:00:00.000Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens
) SELECT
    posting_id, 'j0', 'e1', 10, 'call_11', 'acme', 'key_acme', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2026-11-22T00:59:59.500Z', '2026-11-22T01:00:00.000Z', 'settled', 'bill', false,
    512000, 1218470000, '\x63afd34b2f03f60424006604d8cddebb8ca69c4e680180289df75c1c0c51ee41', 200,
    0, 128, 128, 256
FROM posting WHERE call_id = 'call_11';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2026-11-22T01:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_acme',
    1, 1, 0, 128, 128, 256, 512000);
UPDATE balance SET spent_nanos = spent_nanos + 512000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 10, cursor_total_nanos = 1218470000,
    cursor_hash = '\x63afd34b2f03f60424006604d8cddebb8ca69c4e680180289df75c1c0c51ee41'
WHERE journal_id = 'j0';
