//! A journal's chain, as far as it is posted.
//!
//! Most chains stand under one name, their epoch's. One that was put back from an old copy goes on under
//! a name of its own behind an earlier entry, so a chain is segments: what stands under each name, from
//! where to where. A link is a posted entry, or a call that came again and was not posted twice.
//!
//! # Bounds
//! At most [`SEGMENTS_MAX`] segments: one for each time that an operator took an old copy.

use meter::entry::Tail;
use meter::ids::JournalName;
use meter::money::Nanos;
use sqlx::PgConnection;

use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::ledger::post::one_row;
use crate::ledger::stored::hash;

/// Most segments of one chain.
pub(crate) const SEGMENTS_MAX: usize = 1_000;

/// A stretch of a chain under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    posted_as: String,
    behind: i64,
    upto: i64,
}

/// A chain up to one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    journal: String,
    segments: Vec<Segment>,
}

impl Chain {
    /// What leads to the last entry under this name, or to an earlier one.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        journal: &JournalName,
        posted_as: &str,
        upto: u64,
    ) -> Result<Self, Error> {
        let mut segments = Vec::new();
        let mut name = posted_as.to_owned();
        let mut upto = i64::try_from(upto)?;
        loop {
            // The first decision about a name is the one that made it.
            let behind = sqlx::query!(
                "SELECT behind_posted_as, behind_seq FROM journal_epoch
                 WHERE journal_id = $1 AND posted_as = $2 ORDER BY journal_epoch_id LIMIT 1",
                journal.as_str(),
                name
            )
            .fetch_optional(&mut *connection)
            .await?;
            let (parent, seq) =
                behind.map_or((None, 0), |row| (row.behind_posted_as, row.behind_seq));
            let begins = seq.min(upto);
            segments.push(Segment { posted_as: name, behind: begins, upto });
            let Some(parent) = parent else { break };
            if segments.len() >= SEGMENTS_MAX {
                let problem = format!("the chain of {journal} has over {SEGMENTS_MAX} segments");
                return Err(Error::impossible("journal_epoch", problem));
            }
            (name, upto) = (parent, begins);
        }
        Ok(Self { journal: journal.to_string(), segments })
    }

    /// The same chain, only up to an earlier entry.
    pub(crate) fn cut(&self, upto: u64) -> Result<Self, Error> {
        let end = i64::try_from(upto)?;
        let segments = self.segments.iter().map(|segment| Segment {
            posted_as: segment.posted_as.clone(),
            behind: segment.behind.min(end),
            upto: segment.upto.min(end),
        });
        let segments = segments.filter(|segment| segment.upto > segment.behind).collect();
        Ok(Self { journal: self.journal.clone(), segments })
    }

    /// As what an entry is posted; `None` when it is not in this chain.
    pub(crate) fn posted_as(&self, seq: u64) -> Option<&str> {
        let seq = i64::try_from(seq).ok()?;
        let has = |segment: &&Segment| segment.behind < seq && seq <= segment.upto;
        self.segments.iter().find(has).map(|segment| segment.posted_as.as_str())
    }

    /// What the chain said at an entry; `None` when that is not here.
    pub(crate) async fn tail_at(
        &self,
        connection: &mut PgConnection,
        seq: u64,
    ) -> Result<Option<Tail>, Error> {
        if seq == 0 {
            return Ok(Some(Tail::START));
        }
        let Some(posted_as) = self.posted_as(seq) else { return Ok(None) };
        let row = sqlx::query!(
            r#"SELECT e.total_nanos AS "total_nanos!", e.hash AS "hash!"
               FROM posting p
               JOIN entry e ON e.entry_id = p.posting_id AND e.finished_at = p.finished_at
               WHERE p.journal_id = $1 AND p.epoch = $2 AND p.seq = $3
               UNION ALL
               SELECT total_nanos, hash FROM entry_again
               WHERE journal_id = $1 AND epoch = $2 AND seq = $3
               LIMIT 1"#,
            self.journal,
            posted_as,
            i64::try_from(seq)?
        )
        .fetch_optional(connection)
        .await?;
        row.map(|row| Ok(Tail { seq, total: Nanos::new(row.total_nanos), hash: hash(&row.hash)? }))
            .transpose()
    }

    /// How many links there are, and what they add up to.
    pub(crate) async fn sums(&self, connection: &mut PgConnection) -> Result<(i64, i64), Error> {
        let (names, behind, upto) = self.columns();
        let sums = sqlx::query!(
            r#"WITH segment AS (
                   SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[])
                       AS segment (posted_as, behind, upto)
               ), link AS (
                   SELECT p.amount_nanos FROM posting p JOIN segment s
                       ON p.epoch = s.posted_as AND p.seq > s.behind AND p.seq <= s.upto
                   WHERE p.journal_id = $1
                   UNION ALL
                   SELECT g.amount_nanos FROM entry_again g JOIN segment s
                       ON g.epoch = s.posted_as AND g.seq > s.behind AND g.seq <= s.upto
                   WHERE g.journal_id = $1
               )
               SELECT count(*) AS "count!", coalesce(sum(amount_nanos), 0)::bigint AS "nanos!"
               FROM link"#,
            self.journal,
            &names,
            &behind,
            &upto
        )
        .fetch_one(connection)
        .await?;
        Ok((sums.count, sums.nanos))
    }

    /// The segments, a column each.
    fn columns(&self) -> (Vec<String>, Vec<i64>, Vec<i64>) {
        let segments = self.segments.iter();
        let names = segments.clone().map(|segment| segment.posted_as.clone()).collect();
        let behind = segments.clone().map(|segment| segment.behind).collect();
        (names, behind, segments.map(|segment| segment.upto).collect())
    }

    /// Has each account of the journal carry what the ledger charged it and this chain does not know of,
    /// so that the edge is told credits without it. The caller holds the lock of the journal's row.
    ///
    /// Gives how many accounts changed.
    pub(crate) async fn carry(&self, tx: &mut Tx) -> Result<usize, Error> {
        let (names, behind, upto) = self.columns();
        let changed = sqlx::query!(
            r#"WITH segment AS (
                   SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[])
                       AS segment (posted_as, behind, upto)
               ), link AS (
                   SELECT p.account_id, p.amount_nanos FROM posting p JOIN segment s
                       ON p.epoch = s.posted_as AND p.seq > s.behind AND p.seq <= s.upto
                   WHERE p.journal_id = $1
                   UNION ALL
                   SELECT g.account_id, g.amount_nanos FROM entry_again g JOIN segment s
                       ON g.epoch = s.posted_as AND g.seq > s.behind AND g.seq <= s.upto
                   WHERE g.journal_id = $1
               ), known AS (
                   SELECT account_id, sum(amount_nanos)::bigint AS nanos FROM link
                   GROUP BY account_id
               )
               SELECT a.account_id,
                      coalesce(b.spent_nanos, 0) - coalesce(k.nanos, 0) AS "carried!"
               FROM account a LEFT JOIN balance b USING (account_id)
                   LEFT JOIN known k USING (account_id)
               WHERE a.journal_id = $1
                 AND a.carried_nanos <> coalesce(b.spent_nanos, 0) - coalesce(k.nanos, 0)
               ORDER BY a.account_id"#,
            self.journal,
            &names,
            &behind,
            &upto
        )
        .fetch_all(&mut **tx)
        .await?;
        for row in &changed {
            let revision = journal::bump(tx, &self.journal).await?;
            let updated = sqlx::query!(
                "UPDATE account SET carried_nanos = $2, revision = $3 WHERE account_id = $1",
                row.account_id,
                row.carried,
                revision
            )
            .execute(&mut **tx)
            .await?;
            one_row("account", updated.rows_affected())?;
        }
        Ok(changed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        let segment =
            |name: &str, behind, upto| Segment { posted_as: name.to_owned(), behind, upto };
        let segments = vec![segment("e1-2", 4, 9), segment("e1", 0, 4)];
        Chain { journal: "j0".to_owned(), segments }
    }

    #[test]
    fn an_entry_stands_under_the_name_of_its_segment() {
        let named = |seq| chain().posted_as(seq).map(str::to_owned);
        assert_eq!(named(0), None);
        assert_eq!(named(4).as_deref(), Some("e1"));
        assert_eq!(named(5).as_deref(), Some("e1-2"));
        assert_eq!(named(10), None);
    }

    #[test]
    fn a_chain_is_cut_within_a_segment_or_between_two() {
        let ends = |upto| {
            let cut = chain().cut(upto).unwrap();
            cut.segments.into_iter().map(|s| (s.behind, s.upto)).collect::<Vec<_>>()
        };
        assert_eq!(ends(7), [(4, 7), (0, 4)]);
        assert_eq!(ends(4), [(0, 4)]);
        assert_eq!(ends(2), [(0, 2)]);
        assert_eq!(ends(0), []);
    }
}
