-- A chat with Dify at the price that came with it.
INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 9, 'call_10', 'vip', 17700000, '2026-11-22T00:00:01.000Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at, ending,
    source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code, input_tokens,
    output_tokens, total_tokens, cost_nanos, cost_currency, chat_id, conversation_id
) SELECT
    posting_id, 'j0', 'e1', 9, 'call_10', 'vip', 'key_vip', 'dify_chat', 'app', 'support', 'vip', 2,
    '{"kind":"cost_plus","margin_ppm":1000000,"step_nanos":100000}', 1200000,
    '2026-11-22T00:00:00.500Z', '2026-11-22T00:00:01.000Z', 'settled', 'reported', false, 17700000,
    1217958000, '\x6bf8930c066d406a8c73e051c1908d9147043fcc4dec8c299e11a2fbf8da8529', 200, 0, 64,
    64, 128, 14704000, 'USD', '9b1d', '9c1d'
FROM posting WHERE call_id = 'call_10';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('vip', '2026-11-22T00:00:00.000Z', 'dify_chat', 'app', 'support', 'key_vip',
    1, 1, 0, 64, 64, 128, 17700000);
UPDATE balance SET spent_nanos = spent_nanos + 17700000, entries = entries + 1 WHERE account_id = 'vip';
UPDATE journal SET epoch = 'e1', cursor_seq = 9, cursor_total_nanos = 1217958000,
    cursor_hash = '\x6bf8930c066d406a8c73e051c1908d9147043fcc4dec8c299e11a2fbf8da8529'
WHERE journal_id = 'j0';
