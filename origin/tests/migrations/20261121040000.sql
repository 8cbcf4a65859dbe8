-- One line for each way in.
INSERT INTO audit (actor, via, act, subject, detail) VALUES
    ('root', 'cli', 'account.create', 'acme', '{"name": "Acme"}'),
    ('li', 'http', 'price.change', '1', '{"reason": "set group vip to ratio 1.2"}'),
    ('coze bill', 'origin', 'call.settle', 'call_11', '{}');
