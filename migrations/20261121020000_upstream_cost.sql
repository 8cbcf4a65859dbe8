-- What a call cost upstream, where upstream says so: what a cost-plus price is made of. It stays with the
-- entry, in the currency in which upstream stated it, so that the charge can be computed again.

ALTER TABLE entry
    ADD COLUMN cost_nanos bigint,
    ADD COLUMN cost_currency text,
    ADD CONSTRAINT entry_cost_check CHECK ((cost_nanos IS NULL) = (cost_currency IS NULL));
