-- A user, a price, a ratio, and a call of another program.
INSERT INTO imported_account (instance, user_id, user_name, account_id, quota, amount_nanos)
VALUES ('main', 7, 'Acme', 'acme', 500000, 1000000000);
INSERT INTO imported_price (instance, kind, name, value) VALUES
    ('main', 'subject', '7480000000000000002', 1000000000),
    ('main', 'group', 'vip', 1200000);
INSERT INTO imported_call
    (instance, log_id, account_id, at, kind, model, token_name, amount_nanos, input_tokens,
     output_tokens, duration_s, is_stream)
VALUES
    ('main', 1, 'acme', '2025-01-01T00:00:00Z', 'top_up', '', '', 1000000000, 0, 0, 0, false),
    ('main', 2, 'acme', '2025-01-01T00:01:00Z', 'consume', '7480000000000000002', 'app', 730000, 300,
     65, 4, true);
