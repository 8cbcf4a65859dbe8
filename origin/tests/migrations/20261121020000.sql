-- A call whose reply stated a cost that its price does not need.
SELECT entry_month_make('2026-11-22T00:00:00Z');

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 8, 'call_9', 'acme', 128000, '2026-11-22T00:00:00.000Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens, cost_nanos, cost_currency, execute_id
) SELECT
    posting_id, 'j0', 'e1', 8, 'call_9', 'acme', 'key_acme', 'workflow_run', 'workflow',
    '7480000000000000001', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2026-11-21T23:59:59.500Z', '2026-11-22T00:00:00.000Z', 'settled', 'reported', false,
    128000, 1200258000, '\xefa29faf6d0e0ed981f409fb08c525d16c6ab65e3ec3767b215b08148630fa92', 200,
    0, 32, 32, 64, 12300000, 'RMB', '7500000000000000001'
FROM posting WHERE call_id = 'call_9';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2026-11-22T00:00:00.000Z', 'workflow_run', 'workflow', '7480000000000000001', 'key_acme',
    1, 1, 0, 32, 32, 64, 128000);
UPDATE balance SET spent_nanos = spent_nanos + 128000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 8, cursor_total_nanos = 1200258000,
    cursor_hash = '\xefa29faf6d0e0ed981f409fb08c525d16c6ab65e3ec3767b215b08148630fa92'
WHERE journal_id = 'j0';
