-- The edge has what it was told; whoever listens hears of it.
UPDATE journal SET applied = revision WHERE journal_id = 'j0';
