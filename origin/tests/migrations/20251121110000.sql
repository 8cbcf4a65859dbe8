-- A call that runs.
INSERT INTO open_call (journal_id, call_id, account_id, admitted_at, document) VALUES (
    'j0', 'call_open', 'acme', '2025-12-03T00:00:00Z',
    '{"hold": {"v": 1, "call": "call_open", "account": "acme", "key": "key_acme",
               "operation": "workflow_run", "subject_kind": "workflow", "subject": "7480000000000000001",
               "group": "default", "book": 1,
               "price": {"kind": "per_token", "input_nanos_per_million": 2000000000,
                         "output_nanos_per_million": 2000000000},
               "ratio_ppm": 1000000, "amount_nanos": 2000000, "admitted_at_ms": 1764720000000,
               "execute_id": "7500000000000000002"},
      "waits_for": "upstream''s answer", "asked": 3, "due_at_ms": 1764720060000}'
);
UPDATE journal SET open_holds = 1, oldest_hold_at = '2025-12-03T00:00:00Z' WHERE journal_id = 'j0';
