-- Upstream's own bill: what it says it charged, to be held against what was metered.
--
-- A record is a fact of somebody else's, so it is kept as it came and never changed. No prompt and no
-- answer is in it. What the records of one call sum up to, and what was done about it, is kept beside
-- them and does change.

CREATE TABLE bill_record (
    bill_record_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT bill_record_pkey PRIMARY KEY,
    -- The charge, as upstream calls it. Told twice, by callback or in a file, it is kept once.
    event_id text NOT NULL CONSTRAINT bill_record_event_key UNIQUE
        CONSTRAINT bill_record_event_check CHECK (event_id <> '' AND char_length(event_id) <= 256),
    -- How it came first.
    source text NOT NULL CONSTRAINT bill_record_source_check CHECK (source IN ('callback', 'file')),
    consumed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- Links the records of one turn of a conversation.
    root_id text,
    connector_id text,
    connector_uid text,
    device_id text,
    custom_consumer text,
    space_id text,
    cost_account_id text,
    -- 1 bot, 2 workflow, 3 plugin, 4 app, 5 model, 6 voice.
    root_entity_type bigint,
    root_entity_id text,
    -- Numeric, because upstream writes a decimal; nothing here calculates prices with it.
    change_balance numeric,
    balance_type bigint,
    -- 1 model, 2 plugin, 3 voice, 4 audio or video call.
    resource_type bigint NOT NULL,
    resource_id text,
    model_id text,
    input_tokens bigint NOT NULL CONSTRAINT bill_record_input_check CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CONSTRAINT bill_record_output_check CHECK (output_tokens >= 0),
    tts_characters bigint NOT NULL CONSTRAINT bill_record_tts_check CHECK (tts_characters >= 0),
    tts_count bigint NOT NULL CONSTRAINT bill_record_tts_count_check CHECK (tts_count >= 0),
    asr_ms bigint NOT NULL CONSTRAINT bill_record_asr_check CHECK (asr_ms >= 0),
    rtc_ms bigint NOT NULL CONSTRAINT bill_record_rtc_check CHECK (rtc_ms >= 0),
    -- Whom `custom_consumer` names, where it is a stamp of ours.
    account_id text,
    call_id text,
    CONSTRAINT bill_record_stamp_check CHECK ((account_id IS NULL) = (call_id IS NULL))
);

COMMENT ON TABLE bill_record IS 'One charge, as upstream tells it by callback or in a bill file.';

CREATE INDEX bill_record_call_idx ON bill_record (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX bill_record_consumed_idx ON bill_record (consumed_at);

CREATE TRIGGER bill_record_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON bill_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE bill_call (
    call_id text CONSTRAINT bill_call_pkey PRIMARY KEY,
    -- No reference, as in `balance`: the name is somebody else's word until a call proves it.
    account_id text NOT NULL,
    records bigint NOT NULL,
    -- The sums over its records.
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    -- When the last record came.
    billed_at timestamptz NOT NULL,
    -- `waiting` until the call stands in the books as the bill has it, or by a word of its own.
    state text NOT NULL DEFAULT 'waiting'
        CONSTRAINT bill_call_state_check CHECK (state IN ('waiting', 'done')),
    -- When to look at it next.
    look_at timestamptz NOT NULL
);

COMMENT ON TABLE bill_call IS 'What upstream''s bill says of one call, and whether the books know it.';

CREATE INDEX bill_call_look_idx ON bill_call (look_at) WHERE state = 'waiting';
