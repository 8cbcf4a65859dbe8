-- Whoever changed something may wait until the edge has it.

CREATE FUNCTION journal_applied_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('journal_applied', NEW.journal_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER journal_applied AFTER UPDATE OF applied ON journal
    FOR EACH ROW WHEN (OLD.applied IS DISTINCT FROM NEW.applied)
    EXECUTE FUNCTION journal_applied_notify();
