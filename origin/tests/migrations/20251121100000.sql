-- A run that answers an interrupt, and speech by the character.
INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 5, 'call_6', 'acme', 16000, '2025-12-02T03:46:39.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, resumes, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at,
    ending, source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code,
    input_tokens, output_tokens, total_tokens, execute_id
) SELECT
    posting_id, 'j0', 'e1', 5, 'call_6', 'acme', 'key_acme', 'workflow_resume', 'workflow',
    '7480000000000000001', '7500000000000000001/1', 'default', 0,
    '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}',
    1000000, '2025-12-02T03:46:39.499Z', '2025-12-02T03:46:39.999Z', 'settled', 'reported', false,
    16000, 1200018000, '\x8aadc5342ed0a7055482023e191666e770327e4a8d22ca2b536f6dfeac74c3ae', 200, 0,
    4, 4, 8, '7500000000000000001'
FROM posting WHERE call_id = 'call_6';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-12-02T03:00:00.000Z', 'workflow_resume', 'workflow', '7480000000000000001', 'key_acme',
    1, 1, 0, 4, 4, 8, 16000);
UPDATE balance SET spent_nanos = spent_nanos + 16000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 5, cursor_total_nanos = 1200018000,
    cursor_hash = '\x8aadc5342ed0a7055482023e191666e770327e4a8d22ca2b536f6dfeac74c3ae'
WHERE journal_id = 'j0';

INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
VALUES ('j0', 'e1', 6, 'call_7', 'acme', 48000, '2025-12-02T03:46:40.999Z');
INSERT INTO entry (
    entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation, subject_kind,
    subject_id, units, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at,
    ending, source, usage_fell, amount_nanos, total_nanos, hash, http_status, coze_code
) SELECT
    posting_id, 'j0', 'e1', 6, 'call_7', 'acme', 'key_acme', 'audio_speech', 'voice',
    '7530000000000000001', 16, 'default', 1, '{"kind":"per_unit","amount_nanos":3000}', 1000000,
    '2025-12-02T03:46:40.499Z', '2025-12-02T03:46:40.999Z', 'settled', 'missing', false, 48000,
    1200066000, '\x9e861875f985b4f21603f8b933cb648b2c726d1696a218825b4c0b03d604044d', 200, 0
FROM posting WHERE call_id = 'call_7';
INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
    settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
VALUES ('acme', '2025-12-02T03:00:00.000Z', 'audio_speech', 'voice', '7530000000000000001', 'key_acme',
    1, 1, 0, 0, 0, 0, 48000);
UPDATE balance SET spent_nanos = spent_nanos + 48000, entries = entries + 1 WHERE account_id = 'acme';
UPDATE journal SET epoch = 'e1', cursor_seq = 6, cursor_total_nanos = 1200066000,
    cursor_hash = '\x9e861875f985b4f21603f8b933cb648b2c726d1696a218825b4c0b03d604044d'
WHERE journal_id = 'j0';
