-- Who closed a finding, and why.

ALTER TABLE finding
    ADD COLUMN state_reason text
        CONSTRAINT finding_reason_check
            CHECK (state_reason <> '' AND char_length(state_reason) <= 1000),
    ADD COLUMN state_actor text,
    ADD COLUMN state_at timestamptz;
