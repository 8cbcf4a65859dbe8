-- Lists of calls are read newest first, and narrowed. Without these, a list of one workflow's or one key's
-- calls goes through everybody's until it has a page of them, and one of what nearly never happens goes
-- through all there are. What they cost posting is measured by `cargo xtask bench origin`.

-- One subject's calls, and one key's, newest first, page by page. The kind is not among the columns: hardly
-- any id means two kinds of thing.
CREATE INDEX entry_subject_idx ON entry (subject_id, finished_at, entry_id);
CREATE INDEX entry_key_idx ON entry (api_key_id, finished_at, entry_id);

-- What is asked for because it is unusual: calls that ended otherwise, and usage that neither the reply nor
-- upstream told. A page of the usual is found soon without an index, and only the unusual ones are in it.
CREATE INDEX entry_unusual_idx ON entry (finished_at, entry_id)
    WHERE ending <> 'settled' OR (source <> 'reported' AND source <> 'retrieved');
