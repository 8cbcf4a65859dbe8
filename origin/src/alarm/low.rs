//! Looking whether a balance that was just written crossed its threshold.

use std::collections::BTreeSet;

use meter::account::low::{Crossing, crossing};
use meter::money::Nanos;
use serde_json::json;
use sqlx::PgConnection;

use crate::error::Error;

use super::{Kind, raise};

/// Looks at these accounts, whose balances the same transaction wrote.
pub(crate) async fn look<'a>(
    connection: &mut PgConnection,
    accounts: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let accounts: BTreeSet<String> = accounts.into_iter().map(str::to_owned).collect();
    let accounts: Vec<String> = accounts.into_iter().collect();
    let rows = sqlx::query!(
        r#"SELECT a.account_id, a.name, a.low_balance_nanos, a.low_since IS NOT NULL AS "was_low!",
                  coalesce(b.credits_nanos, 0) AS "credits!", coalesce(b.spent_nanos, 0) AS "spent!"
           FROM account a LEFT JOIN balance b USING (account_id)
           WHERE a.account_id = ANY($1)
             AND (a.low_balance_nanos IS NOT NULL OR a.low_since IS NOT NULL)
           ORDER BY a.account_id FOR UPDATE OF a"#,
        &accounts
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let balance = Nanos::new(row.credits).minus(Nanos::new(row.spent))?;
        let threshold = row.low_balance_nanos.map(Nanos::new);
        let Some(crossed) = crossing(balance, threshold, row.was_low) else { continue };
        sqlx::query!(
            "UPDATE account SET low_since = CASE WHEN $2 THEN now() END WHERE account_id = $1",
            row.account_id,
            crossed == Crossing::Fell
        )
        .execute(&mut *connection)
        .await?;
        if let (Crossing::Fell, Some(threshold)) = (crossed, threshold) {
            let detail = json!({
                "name": row.name,
                "balance_nanos": balance.get(),
                "balance_quota": balance.in_quota().to_string(),
                "threshold_nanos": threshold.get(),
                "threshold_quota": threshold.in_quota().to_string(),
            });
            raise(connection, Kind::LowBalance, &row.account_id, &detail).await?;
        }
    }
    Ok(())
}
