//! The journal's tables.
//!
//! Rows written are what Cloudflare bills most, so a call is one row for life: inserted when it is held,
//! updated when it is finished, on an integer key and without any index.

use super::sql::{Sql, SqlError};

/// Each version's statements, in order; the version of a store is how many of them it has run.
const MIGRATIONS: &[&[&str]] = &[
    &[
        // `seq` is null while the call runs. `doc` is a `HoldDoc` then, and an `EntryDoc` afterwards.
        "CREATE TABLE call (
       call_no INTEGER PRIMARY KEY,
       seq INTEGER,
       doc TEXT NOT NULL
     ) STRICT",
        // By which a page of entries is found without an index, and memory is rebuilt.
        "CREATE TABLE mark (
       seq INTEGER PRIMARY KEY,
       total_nanos TEXT NOT NULL,
       hash TEXT NOT NULL,
       low INTEGER NOT NULL,
       high INTEGER NOT NULL,
       made_at_ms INTEGER NOT NULL
     ) STRICT",
        // `doc` is what the origin says, `spent_nanos` what the account had spent at the last mark.
        "CREATE TABLE account (
       account_id TEXT PRIMARY KEY,
       doc TEXT NOT NULL,
       spent_nanos TEXT NOT NULL
     ) STRICT, WITHOUT ROWID",
        "CREATE TABLE revoked_key (key_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        // `request` is a hash; `status` and `reply` are null until there is something to replay.
        "CREATE TABLE idempotency (
       key TEXT PRIMARY KEY,
       request TEXT NOT NULL,
       call_id TEXT NOT NULL,
       used_at_ms INTEGER NOT NULL,
       status INTEGER,
       reply TEXT
     ) STRICT, WITHOUT ROWID",
        // `epoch`, `applied`, `book`, `next_book`.
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ],
    &[
        // What was spent on the day of the last mark, a `SpentTodayDoc`; null before the first one.
        "ALTER TABLE account ADD COLUMN today TEXT",
    ],
    &[
        // Ids that a door has to find again; `name` begins with the account.
        "CREATE TABLE memo (
       name TEXT PRIMARY KEY,
       value TEXT NOT NULL,
       kept_at_ms INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID",
    ],
    &[
        // Of the one journal that lists them. `doc` is a `RegisteredKeyDoc`.
        "CREATE TABLE registered_key (key_id TEXT PRIMARY KEY, doc TEXT NOT NULL)
         STRICT, WITHOUT ROWID",
        // Statements that were redeemed, by their hash, until they are refused for their age.
        "CREATE TABLE redeemed (statement TEXT PRIMARY KEY, until_ms INTEGER NOT NULL)
         STRICT, WITHOUT ROWID",
    ],
    &[
        // Whose a conversation or a file is; `name` is account, kind and id.
        "CREATE TABLE owned (name TEXT PRIMARY KEY, kept_at_ms INTEGER NOT NULL)
         STRICT, WITHOUT ROWID",
        // The prints of the chats and runs that a mark closes; null for a mark from before.
        "ALTER TABLE mark ADD COLUMN works TEXT",
        // Conversations from before: of the calls that are kept, and of the people at a door.
        "INSERT OR IGNORE INTO owned (name, kept_at_ms)
         SELECT json_extract(doc, '$.account') || '/conversation/'
                || json_extract(doc, '$.conversation_id'),
                json_extract(doc, '$.admitted_at_ms')
         FROM call WHERE json_extract(doc, '$.conversation_id') IS NOT NULL",
        "INSERT OR IGNORE INTO owned (name, kept_at_ms)
         SELECT substr(name, 1, instr(name, '/') - 1) || '/conversation/' || value, kept_at_ms
         FROM memo WHERE name LIKE '%/chat/%'",
    ],
];

/// Brings the store to the newest version. A store that exists already costs one read.
pub(super) fn migrate(sql: &impl Sql) -> Result<(), SqlError> {
    let exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
    if sql.run(exists, &[])?.is_empty() {
        sql.run("CREATE TABLE schema_version (version INTEGER PRIMARY KEY) STRICT", &[])?;
    }
    let rows = sql.run("SELECT COUNT(*) FROM schema_version", &[])?;
    let done = super::store::integer(rows.first().and_then(|row| row.first()))?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    for (at, statements) in MIGRATIONS.iter().enumerate().skip(done) {
        for statement in *statements {
            sql.run(statement, &[])?;
        }
        let version = super::sql::Value::Integer(i64::try_from(at).unwrap_or(i64::MAX));
        sql.run("INSERT INTO schema_version (version) VALUES (?)", &[version])?;
    }
    Ok(())
}
