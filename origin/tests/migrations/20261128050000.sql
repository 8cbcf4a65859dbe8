-- A store that was lost, one that was put back from an old copy, and one from before its first entry.
INSERT INTO journal_epoch (journal_id, epoch, posted_as, behind_seq, behind_posted_as, left_posted_as,
                           left_seq, cursor_seq, actor, reason)
VALUES
    ('whale', 'e9', 'e9', 0, NULL, 'e8', 0, 0, 'ops', 'the store was lost'),
    ('whale', 'e9', 'e9-2', 1, 'e9', 'e9', 2, 1, 'ops', 'an old copy'),
    ('whale', 'e9', 'e9-3', 0, NULL, 'e9-2', 2, 0, 'ops', 'an older copy');
UPDATE journal SET epoch = 'e9', posted_as = 'e9-3' WHERE journal_id = 'whale';
INSERT INTO entry_again (journal_id, epoch, seq, call_id, account_id, amount_nanos, total_nanos, hash)
VALUES ('whale', 'e9-2', 2, 'call_1', 'acme', 2000, 4000, decode(repeat('11', 32), 'hex'));
INSERT INTO lost_call (call_id, journal_id, account_id, admitted_at, document, lost_at)
VALUES ('call_lost', 'whale', 'acme', '2025-12-03T00:00:00Z', '{}', '2025-12-03T00:01:00Z');
