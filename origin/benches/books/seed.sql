-- A large installation, made up: accounts, their calls of several months, and every sum of them.
--
-- What is drawn depends on a call's number alone, so that two runs at one size seed the same rows. Calls
-- of a day stand in the order in which they finished, as posting leaves them. Hashes are made up: they
-- are as long as real ones, and chain nothing.

-- A number from 0 to below 1 for the `n`th call and the `what`th thing that is drawn for it.
CREATE FUNCTION bench_draw(n bigint, what bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (hashint8extended(n, what) & 9007199254740991)::double precision / 9007199254740992
$$;

-- One of 1 to `among`, the `k`th about 1/k times as often as the first (Zipf).
CREATE FUNCTION bench_pick(n bigint, what bigint, among integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(among, floor(exp(bench_draw(n, what) * ln(among + 1)))::integer)
$$;

-- Accounts with what they were given, and the two keys of each.
CREATE FUNCTION bench_accounts(among integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO account (account_id, journal_id, name, revision, created_at)
    SELECT 'acc_' || lpad(k::text, 20, '0'), 'j' || (k % 8), 'bench ' || k, k, '2025-01-01T00:00:00Z'
    FROM generate_series(1, among) AS k;
    INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, created_at)
    SELECT account_id, 'grant', 2000000000, 'bench', 'bench', created_at FROM account;
    INSERT INTO balance (account_id, credits_nanos)
    SELECT account_id, 2000000000 FROM account;
    INSERT INTO api_key (api_key_id, account_id, journal_id, name)
    SELECT 'key_' || k || substr(account_id, 6), account_id, journal_id, 'bench ' || k
    FROM account, generate_series(1, 2) AS k;
    UPDATE journal SET epoch = 'bench', revision = among;
$$;

-- Calls `first` to `last`, which finished on one day, with their postings. They go on where their
-- journals' cursors stand, and move them.
CREATE FUNCTION bench_day(day timestamptz, first bigint, last bigint, among integer)
RETURNS void LANGUAGE sql AS $$
    WITH drawn AS MATERIALIZED (
        SELECT n, bench_pick(n, 1, among) AS account, bench_pick(n, 2, 5) AS subject,
               bench_pick(n, 3, 2) AS key, bench_draw(n, 4) AS fate, bench_draw(n, 5) AS tokens,
               (n - first + bench_draw(n, 6))::double precision / (last - first + 1) AS place
        FROM generate_series(first, last) AS n
    ), timed AS (
        -- In the order of their numbers, and more of them around noon.
        SELECT drawn.*, day + interval '1 millisecond'
            * floor(86400000 * (place + 0.6 * sin(2 * pi() * place) / (2 * pi()))) AS finished_at
        FROM drawn
    ), told AS (
        SELECT n, finished_at, 'j' || (account % 8) AS journal_id,
               'acc_' || lpad(account::text, 20, '0') AS account_id,
               'key_' || key || lpad(account::text, 19, '0') AS api_key_id,
               subject = 2 AS is_bot, subject = 3 AS is_per_call,
               7480000000000000000 + account * 100 + subject AS subject,
               CASE WHEN fate < 0.96 THEN 'settled' WHEN fate < 0.99 THEN 'released' ELSE 'expired' END AS ending,
               CASE WHEN fate < 0.93 THEN 'reported' WHEN fate < 0.99 THEN 'retrieved' ELSE 'missing' END AS source,
               50 + floor(exp(tokens * 8))::bigint AS tokens
        FROM timed
    ), priced AS (
        SELECT told.*, CASE WHEN ending <> 'settled' THEN 0 WHEN is_per_call THEN 1000000
                            ELSE tokens * 2000 END AS amount
        FROM told
    ), chained AS MATERIALIZED (
        SELECT priced.*, journal.cursor_seq + row_number() OVER journal AS seq,
               journal.cursor_total_nanos + sum(amount) OVER journal AS total
        FROM priced JOIN journal USING (journal_id)
        WINDOW journal AS (PARTITION BY journal_id ORDER BY n)
    ), moved AS (
        UPDATE journal SET cursor_seq = head.seq, cursor_total_nanos = head.total,
                           head_seq = head.seq, head_total_nanos = head.total
        -- No amount is below zero, so the last total is the largest.
        FROM (SELECT journal_id, max(seq) AS seq, max(total)::bigint AS total
              FROM chained GROUP BY journal_id) AS head
        WHERE journal.journal_id = head.journal_id
    ), posted AS (
        INSERT INTO posting (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
        SELECT journal_id, 'bench', seq, 'c' || lpad(to_hex(n), 32, '0'), account_id, amount, finished_at
        FROM chained ORDER BY n
        RETURNING posting_id, journal_id, seq
    )
    INSERT INTO entry (entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation,
        subject_kind, subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at, finished_at,
        ending, http_status, coze_code, source, input_tokens, output_tokens, total_tokens, usage_fell,
        chat_id, execute_id, amount_nanos, total_nanos, hash)
    SELECT posting_id, journal_id, 'bench', seq, 'c' || lpad(to_hex(n), 32, '0'), account_id, api_key_id,
        CASE WHEN is_bot THEN 'chat' WHEN n % 3 = 0 THEN 'workflow_stream_run' ELSE 'workflow_run' END,
        CASE WHEN is_bot THEN 'bot' ELSE 'workflow' END, subject::text, 'default', 0,
        CASE WHEN is_per_call THEN '{"kind":"per_call","amount_nanos":1000000}'::jsonb
             ELSE '{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}' END,
        1000000, finished_at - interval '1 second' * bench_draw(n, 8) * 20, finished_at, ending,
        CASE WHEN ending <> 'expired' THEN 200 END, CASE ending WHEN 'settled' THEN 0 WHEN 'released' THEN 4200 END,
        source,
        CASE WHEN ending = 'settled' THEN tokens / 3 END, CASE WHEN ending = 'settled' THEN tokens - tokens / 3 END,
        CASE WHEN ending = 'settled' THEN tokens END, false,
        CASE WHEN is_bot THEN (7490000000000000000 + n)::text END,
        CASE WHEN NOT is_bot THEN (7500000000000000000 + n)::text END,
        amount, total, sha256(int8send(n))
    FROM chained JOIN posted USING (journal_id, seq)
    ORDER BY n
$$;

-- What the calls of a stretch add to the rollups.
CREATE FUNCTION bench_rollups(since timestamptz, until timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO rollup_hour (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls,
        settled, failed, input_tokens, output_tokens, total_tokens, amount_nanos)
    SELECT account_id, date_trunc('hour', finished_at, 'UTC') AS hour_at, operation, subject_kind,
        subject_id, api_key_id, count(*), count(*) FILTER (WHERE ending = 'settled'),
        count(*) FILTER (WHERE ending <> 'settled'), coalesce(sum(input_tokens), 0),
        coalesce(sum(output_tokens), 0), coalesce(sum(total_tokens), 0), sum(amount_nanos)
    FROM entry WHERE finished_at >= since AND finished_at < until
    GROUP BY account_id, hour_at, operation, subject_kind, subject_id, api_key_id
    -- As it is filled by posting: hour by hour.
    ORDER BY hour_at
$$;

-- What all calls add to the balances, and to the coarser rollups.
CREATE FUNCTION bench_balances() RETURNS void LANGUAGE sql AS $$
    UPDATE balance SET spent_nanos = sums.spent, entries = sums.calls
    FROM (SELECT account_id, sum(amount_nanos) AS spent, count(*) AS calls FROM posting
          GROUP BY account_id) AS sums
    WHERE balance.account_id = sums.account_id;
    INSERT INTO rollup_day
    SELECT account_id, date_trunc('day', hour_at, 'UTC'), operation, subject_kind, subject_id, api_key_id,
        sum(calls), sum(settled), sum(failed), sum(input_tokens), sum(output_tokens), sum(total_tokens),
        sum(amount_nanos)
    FROM rollup_hour GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2;
    INSERT INTO rollup_journal
    SELECT journal_id, hour_at, sum(calls), sum(settled), sum(failed), sum(input_tokens),
        sum(output_tokens), sum(total_tokens), sum(amount_nanos)
    FROM rollup_hour JOIN account USING (account_id) GROUP BY 1, 2 ORDER BY 2;
$$;
