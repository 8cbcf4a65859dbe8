//! What has to be true of the rows whatever the schema is: sums agree, constraints hold, nothing is empty.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool};

/// What no migration may change: the rows of the books, and what balances come to.
const BOOKS: [&str; 4] = [
    "SELECT count(*), sum(amount_nanos)::bigint, md5(string_agg(concat_ws('/', credit_id, account_id,
         kind, amount_nanos, reference), ',' ORDER BY credit_id)) FROM credit",
    "SELECT count(*), sum(amount_nanos)::bigint, md5(string_agg(concat_ws('/', posting_id, journal_id,
         epoch, seq, call_id, account_id, amount_nanos, finished_at), ',' ORDER BY posting_id))
     FROM posting",
    "SELECT count(*), sum(amount_nanos)::bigint, md5(string_agg(concat_ws('/', entry_id, call_id, price,
         ratio_ppm, amount_nanos, total_nanos, hash), ',' ORDER BY entry_id)) FROM entry",
    "SELECT sum(entries)::bigint, sum(credits_nanos - spent_nanos)::bigint, NULL FROM balance",
];

/// Sums over some rows: a count, an amount, a digest of the rows.
pub(crate) type Sum = (Option<i64>, Option<i64>, Option<String>);

/// The sums of the books; `None` while there are none.
pub(crate) async fn books(pool: &PgPool) -> Option<Vec<Sum>> {
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass('entry') IS NOT NULL")
        .fetch_one(pool)
        .await
        .unwrap();
    if !is_there {
        return None;
    }
    let mut sums = Vec::new();
    for sql in BOOKS {
        sums.push(sqlx::query_as(sql).fetch_one(pool).await.unwrap());
    }
    Some(sums)
}

/// Each sum in the books is that of the rows that it sums.
pub(crate) async fn sums_agree(pool: &PgPool) {
    for (what, sql) in [
        (
            "what accounts spent",
            "SELECT account_id FROM balance b FULL JOIN (SELECT account_id, count(*) AS entries,
                 sum(amount_nanos) AS spent FROM entry GROUP BY account_id) e USING (account_id)
             WHERE (coalesce(b.entries, 0), coalesce(b.spent_nanos, 0))
                 IS DISTINCT FROM (coalesce(e.entries, 0), coalesce(e.spent, 0))",
        ),
        (
            "what accounts were given",
            "SELECT account_id FROM balance b FULL JOIN (SELECT account_id, sum(amount_nanos) AS given
                 FROM credit GROUP BY account_id) c USING (account_id)
             WHERE coalesce(b.credits_nanos, 0) <> coalesce(c.given, 0)",
        ),
        (
            "what entries moved",
            "SELECT call_id FROM posting p FULL JOIN entry e USING (call_id)
             WHERE (p.posting_id, p.account_id, p.amount_nanos, p.finished_at)
                 IS DISTINCT FROM (e.entry_id, e.account_id, e.amount_nanos, e.finished_at)",
        ),
        (
            "the sums of hours",
            "SELECT account_id FROM (SELECT account_id, sum(calls) AS calls, sum(amount_nanos) AS amount
                 FROM rollup_hour GROUP BY account_id) r
             FULL JOIN (SELECT account_id, count(*) AS calls, sum(amount_nanos) AS amount FROM entry
                 GROUP BY account_id) e USING (account_id)
             WHERE (r.calls, r.amount) IS DISTINCT FROM (e.calls, e.amount)",
        ),
        (
            "the sums of days",
            "SELECT account_id FROM (SELECT account_id, sum(calls) AS calls, sum(amount_nanos) AS amount
                 FROM rollup_day GROUP BY account_id) r
             FULL JOIN (SELECT account_id, count(*) AS calls, sum(amount_nanos) AS amount FROM entry
                 GROUP BY account_id) e USING (account_id)
             WHERE (r.calls, r.amount) IS DISTINCT FROM (e.calls, e.amount)",
        ),
        (
            "the sums of journals",
            "SELECT journal_id FROM (SELECT journal_id, sum(calls) AS calls, sum(amount_nanos) AS amount
                 FROM rollup_journal GROUP BY journal_id) r
             FULL JOIN (SELECT journal_id, count(*) AS calls, sum(amount_nanos) AS amount FROM entry
                 GROUP BY journal_id) e USING (journal_id)
             WHERE (r.calls, r.amount) IS DISTINCT FROM (e.calls, e.amount)",
        ),
        (
            "how far journals are posted",
            "SELECT journal_id FROM journal j LEFT JOIN (SELECT journal_id, max(seq) AS seq,
                 sum(amount_nanos) AS amount FROM entry GROUP BY journal_id) e USING (journal_id)
             WHERE (j.cursor_seq, j.cursor_total_nanos)
                 IS DISTINCT FROM (coalesce(e.seq, 0), coalesce(e.amount, 0))",
        ),
    ] {
        let wrong: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.unwrap();
        assert!(wrong.is_empty(), "{what} does not add up: {wrong:?}");
    }
}

/// No constraint was added with the rows that were there left unlooked at, and no index is broken.
pub(crate) async fn constraints_hold(pool: &PgPool) {
    let lax: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint
         WHERE NOT convalidated AND connamespace = 'public'::regnamespace
         UNION ALL
         SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE NOT (indisvalid AND indisready) AND relnamespace = 'public'::regnamespace",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(lax.is_empty(), "not valid: {lax:?}");
}

/// Every column of every table says something in at least one row, so that a later migration meets it.
pub(crate) async fn everything_was_filled(pool: &PgPool) {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT relname::text, attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
           AND relname <> '_sqlx_migrations' AND attnum > 0 AND NOT attisdropped
         ORDER BY relname, attnum",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut empty = Vec::new();
    for (table, column) in columns {
        let sql = format!("SELECT EXISTS (SELECT FROM \"{table}\" WHERE \"{column}\" IS NOT NULL)");
        let filled: bool = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
        if !filled {
            empty.push(format!("{table}.{column}"));
        }
    }
    assert!(
        empty.is_empty(),
        "no sample row fills {empty:?}: add origin/tests/migrations/<version>.sql for the migration \
         that brings it"
    );
}

/// Every row of every table, as digests by table.
pub(crate) async fn all_there_is(pool: &PgPool) -> BTreeMap<String, Option<String>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut digests = BTreeMap::new();
    for table in tables {
        let sql =
            format!("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{table}\" t");
        let digest = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
        digests.insert(table, digest);
    }
    digests
}
