-- Two more facts of a call, which its charge and its hash rest on.

ALTER TABLE entry
    -- How much of the operation's own unit was asked for, where a price counts in it.
    ADD COLUMN units bigint NOT NULL DEFAULT 1,
    -- The interrupt of an earlier run that the call answered: the run's id, a slash, a number.
    ADD COLUMN resumes text;
