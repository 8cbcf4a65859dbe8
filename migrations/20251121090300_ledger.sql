-- The ledger: credits that were given, calls that were charged, and the sums of both.
--
-- Credits have one writer, the origin. Charges have one writer, the account's journal. Balance is
-- their difference and nothing else moves it: balance, rollups and statements are all sums of rows
-- that are never changed, and are written in the transaction that adds those rows.

-- Money given. A correction is a further row.
CREATE TABLE credit (
    credit_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT credit_pkey PRIMARY KEY,
    account_id text NOT NULL
        CONSTRAINT credit_account_fkey REFERENCES account (account_id),
    kind text NOT NULL
        CONSTRAINT credit_kind_check CHECK (kind IN ('grant', 'top_up', 'refund', 'adjustment')),
    -- Only an adjustment may take away.
    amount_nanos bigint NOT NULL
        CONSTRAINT credit_amount_check
            CHECK (amount_nanos > 0 OR (kind = 'adjustment' AND amount_nanos < 0)),
    reason text NOT NULL
        CONSTRAINT credit_reason_check CHECK (reason <> '' AND char_length(reason) <= 1000),
    actor text NOT NULL,
    -- The payment, as its provider calls it: used once, so that a payment counted twice is refused.
    reference text CONSTRAINT credit_reference_key UNIQUE
        CONSTRAINT credit_reference_check CHECK (reference <> '' AND char_length(reference) <= 200),
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE credit IS 'Money given to an account: grant, top-up, refund, adjustment.';

CREATE INDEX credit_account_idx ON credit (account_id, created_at);

CREATE TRIGGER credit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON credit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The sums of an account. There is no reference to `account`: after the origin was restored from an
-- old copy, a journal may bring calls of an account that was made since, and they are money all the
-- same. Such calls are a finding.
CREATE TABLE balance (
    account_id text CONSTRAINT balance_pkey PRIMARY KEY,
    credits_nanos bigint NOT NULL DEFAULT 0,
    spent_nanos bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0 CONSTRAINT balance_entries_check CHECK (entries >= 0)
);

COMMENT ON TABLE balance IS 'The sums of an account''s credits and entries.';

-- The movement of money that one entry is, and the register of what was posted.
--
-- It earns its place beside `entry` by what a partitioned table cannot promise: a unique constraint
-- there must include the partition's key, so that the same call could stand once in each month. Here
-- stand, over all time, one row per place in a journal and one row per call; and a call is found by
-- its id without looking into every month.
CREATE TABLE posting (
    posting_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT posting_pkey PRIMARY KEY,
    journal_id text NOT NULL
        CONSTRAINT posting_journal_fkey REFERENCES journal (journal_id),
    epoch text NOT NULL,
    seq bigint NOT NULL CONSTRAINT posting_seq_check CHECK (seq > 0),
    call_id text NOT NULL CONSTRAINT posting_call_key UNIQUE,
    account_id text NOT NULL,
    -- As the journal says it, even where that looks wrong: a doubtful amount is a finding, and is not
    -- hidden by refusing it.
    amount_nanos bigint NOT NULL,
    -- The month in which the entry stands.
    finished_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT posting_place_key UNIQUE (journal_id, epoch, seq)
);

COMMENT ON TABLE posting IS 'What an entry moved; unique per call and per place in a journal.';

CREATE TRIGGER posting_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Finished calls, as their journal wrote them; with `finished_at` to the millisecond every hash of the
-- chain can be computed again from here.
CREATE TABLE entry (
    -- The number of its posting.
    entry_id bigint NOT NULL
        CONSTRAINT entry_posting_fkey REFERENCES posting (posting_id),
    journal_id text NOT NULL,
    epoch text NOT NULL,
    seq bigint NOT NULL,
    call_id text NOT NULL,
    account_id text NOT NULL,
    api_key_id text NOT NULL,
    operation text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    group_name text NOT NULL,
    -- No reference: an unknown version is a finding.
    price_book_id bigint NOT NULL,
    price jsonb NOT NULL,
    ratio_ppm bigint NOT NULL,
    admitted_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    ending text NOT NULL
        CONSTRAINT entry_ending_check CHECK (ending IN ('settled', 'released', 'expired')),
    http_status integer,
    coze_code bigint,
    source text NOT NULL
        CONSTRAINT entry_source_check CHECK (source IN ('reported', 'retrieved', 'missing')),
    input_tokens bigint,
    output_tokens bigint,
    total_tokens bigint,
    usage_fell boolean NOT NULL,
    -- Upstream's ids are decimal strings beyond what a number in JSON holds, so they stay text.
    chat_id text,
    conversation_id text,
    execute_id text,
    log_id text,
    amount_nanos bigint NOT NULL,
    -- The journal's running total and hash at this entry.
    total_nanos bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT entry_hash_check CHECK (octet_length(hash) = 32),
    -- In this order because the list of all calls, newest first, reads it backwards.
    CONSTRAINT entry_pkey PRIMARY KEY (finished_at, entry_id)
) PARTITION BY RANGE (finished_at);

COMMENT ON TABLE entry IS 'One finished call. Partitioned by the month it finished in, UTC.';

-- One account's calls, newest first, page by page.
CREATE INDEX entry_account_idx ON entry (account_id, finished_at, entry_id);

-- By row, since only row triggers pass from a partitioned table to its partitions.
CREATE TRIGGER entry_refuse_change BEFORE UPDATE OR DELETE ON entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Makes the partition of a month unless it is there.
--
-- Partitions are made on demand and there is no default one: a default partition would have to be
-- searched, under a lock that stops everybody, whenever a month is split out of it. Making a table
-- first and attaching it keeps readers and other journals' posts running. It is done before the
-- posting transaction and not in it, so that no lock on the whole table is held while a page is
-- posted; a month that stays empty because the page then failed does no harm.
CREATE FUNCTION entry_month_make(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    partition text := 'entry_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Two pulls may meet at the turn of a month. This is the lock that attaching takes anyway, and
    -- unlike an advisory lock it makes whoever waited for it see the other one's table.
    LOCK TABLE entry IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format('ALTER TABLE entry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition,
        month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    EXECUTE format('CREATE TRIGGER entry_refuse_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', partition);
END
$$;

-- Sums by hour, for charts and summaries of any length.
CREATE TABLE rollup_hour (
    account_id text NOT NULL,
    -- The start of the hour, UTC, in which the calls finished.
    hour_at timestamptz NOT NULL,
    operation text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    api_key_id text NOT NULL,
    calls bigint NOT NULL,
    -- Charged by their reading.
    settled bigint NOT NULL,
    -- The others: released or expired, and therefore free.
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    amount_nanos bigint NOT NULL,
    CONSTRAINT rollup_hour_calls_check CHECK (calls = settled + failed),
    -- A sum has no identity but what it sums over. Account and hour come first because every read
    -- asks for one account's stretch of time.
    CONSTRAINT rollup_hour_pkey PRIMARY KEY
        (account_id, hour_at, operation, subject_kind, subject_id, api_key_id)
);

COMMENT ON TABLE rollup_hour IS 'Calls, tokens and amounts by account, hour, subject and key.';

-- For the sums over all accounts.
CREATE INDEX rollup_hour_hour_idx ON rollup_hour (hour_at);

-- Differences that reconciling noticed.
CREATE TABLE finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT finding_pkey PRIMARY KEY,
    journal_id text NOT NULL
        CONSTRAINT finding_journal_fkey REFERENCES journal (journal_id),
    -- The code of the rule that noticed it; the rules know them all, so they are not listed here.
    code text NOT NULL,
    -- Where: the journal's epoch as the edge named it, and the entry.
    epoch text NOT NULL,
    seq bigint NOT NULL,
    call_id text,
    -- For people: what was expected and what was there.
    detail text NOT NULL,
    state text NOT NULL DEFAULT 'open'
        CONSTRAINT finding_state_check CHECK (state IN ('open', 'explained', 'resolved')),
    found_at timestamptz NOT NULL DEFAULT now(),
    -- A difference that stops posting is met again at every pull; it is counted, not repeated.
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    times_seen bigint NOT NULL DEFAULT 1
);

COMMENT ON TABLE finding IS 'A difference that reconciling noticed and did not hide.';

-- Once per place while it is open; noticed again after it was closed, it is a new one. Also what
-- counts the open ones for health.
CREATE UNIQUE INDEX finding_open_key ON finding (journal_id, code, epoch, seq) WHERE state = 'open';
