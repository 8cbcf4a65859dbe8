-- One of each role, one of them signed in, and the administrator of the environment.
INSERT INTO person (person_id, role, password_hash) VALUES
    ('li', 'admin', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo'),
    ('wang', 'finance', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo');
INSERT INTO session (session_hash, person_id, bootstrap_mark, created_at, expires_at) VALUES
    (decode(repeat('01', 32), 'hex'), 'li', NULL, '2026-11-22T00:00:00Z', '2026-11-22T12:00:00Z'),
    (decode(repeat('02', 32), 'hex'), NULL, '\x03', '2026-11-22T00:00:00Z', '2026-11-22T12:00:00Z');
