-- Whoever serves need not own the tables.
--
-- Making the partition of a month is the one thing that took the owner's rights. With it done on the
-- owner's behalf, the process that serves may have a role of its own, which can neither switch off the
-- triggers that keep the books nor drop a table: rights on the rows are all it needs.

DO $$
BEGIN
    -- In the schema that it was made in, and never in a caller's temporary one.
    EXECUTE format(
        'ALTER FUNCTION entry_month_make(timestamptz) SECURITY DEFINER SET search_path = %I, pg_temp',
        current_schema()
    );
END
$$;
