-- The bill's records of one call that is in the books and one that is nowhere.
INSERT INTO bill_record
    (event_id, source, consumed_at, received_at, root_id, connector_id, connector_uid, device_id,
     custom_consumer, space_id, cost_account_id, root_entity_type, root_entity_id, change_balance,
     balance_type, resource_type, resource_id, model_id, input_tokens, output_tokens, tts_characters,
     tts_count, asr_ms, rtc_ms, account_id, call_id)
VALUES
    ('event_1', 'callback', '2026-11-22T01:00:00Z', '2026-11-22T01:00:01Z', 'root_1', '1024', 'u1', 'd1',
     'acme.call_11', 'space_1', 'cost_1', 2, '7480000000000000001', 0.0000125, 1, 1, 'res_1', 'model_1',
     128, 128, 0, 0, 0, 0, 'acme', 'call_11'),
    ('event_2', 'file', '2026-11-22T02:00:00Z', '2026-11-22T02:00:01Z', NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, 3, NULL, NULL, 0, 0, 25, 1, 0, 0, NULL, NULL);
INSERT INTO bill_call
    (call_id, account_id, records, input_tokens, output_tokens, billed_at, state, look_at)
VALUES
    ('call_11', 'acme', 1, 128, 128, '2026-11-22T01:00:01Z', 'done', '2026-11-22T01:20:00Z'),
    ('call_nowhere', 'acme', 1, 1, 1, '2026-11-22T01:00:01Z', 'waiting', '2026-11-22T01:20:00Z');
