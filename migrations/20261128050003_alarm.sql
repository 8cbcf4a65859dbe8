-- Alarms: told to webhooks, each once.
--
-- An alarm is written by the transaction that gives rise to it, so none is lost and none is raised for
-- what did not happen. Whoever serves makes a delivery of it for each webhook that is configured then.

CREATE TABLE alarm (
    alarm_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT alarm_pkey PRIMARY KEY,
    kind text NOT NULL CONSTRAINT alarm_kind_check CHECK (kind IN ('finding', 'low_balance')),
    -- The journal or the account that it is about.
    subject text NOT NULL,
    detail jsonb NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    -- Whether its deliveries are made.
    is_spread boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE alarm IS 'Something that somebody should know at once.';

CREATE INDEX alarm_spread_idx ON alarm (alarm_id) WHERE NOT is_spread;

CREATE TABLE alarm_delivery (
    alarm_id bigint NOT NULL CONSTRAINT alarm_delivery_alarm_fkey REFERENCES alarm (alarm_id),
    -- A hash of the webhook's URL and form: the URL itself is a secret with some of them.
    webhook text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CONSTRAINT alarm_delivery_state_check CHECK (state IN ('waiting', 'sent', 'given_up')),
    attempts integer NOT NULL DEFAULT 0,
    -- When to try next.
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    -- Why the last attempt failed; null when it did not.
    last_error text,
    CONSTRAINT alarm_delivery_pkey PRIMARY KEY (alarm_id, webhook)
);

COMMENT ON TABLE alarm_delivery IS 'An alarm on its way to one webhook.';

CREATE INDEX alarm_delivery_due_idx ON alarm_delivery (webhook, due_at) WHERE state = 'waiting';

-- Below which balance somebody should know; null for never.
ALTER TABLE account ADD COLUMN low_balance_nanos bigint;
-- Since when it is below; null while it is not, and the next fall is told.
ALTER TABLE account ADD COLUMN low_since timestamptz;
