//! The write numbers of tenants. The module `reader` says what they are for.

use std::collections::BTreeSet;

use sqlx::{Postgres, Row, Transaction, postgres::PgRow};

use super::{Archive, failed, reader::NUMBER};
use crate::{
    job::TenantId,
    store::{BoxError, Store, StoreError},
};

/// Raises the write numbers of tenants. The tenants are sorted, so that two transactions lock the
/// rows in the same order. It is a plain `INSERT` statement, for the same reason as those in the
/// module `summaries`.
const RAISE: &str = "
INSERT INTO tenant_writes AS writes (tenant, number) SELECT tenant, 1 FROM unnest($1::text[]) AS tenant
ON CONFLICT (tenant) DO UPDATE SET number = writes.number + 1
RETURNING tenant, number";

/// The write numbers that a transaction has left. There are none if the archive has no reader.
pub type Writes = Vec<(TenantId, i64)>;

impl Archive {
    /// The write number of a tenant, from the writer.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn write_number(&self, tenant: &TenantId) -> Result<i64, StoreError> {
        const OPERATION: &str = "read the write number of a tenant";
        let query = sqlx::query(NUMBER).bind(tenant.as_str());
        let rows = self.rows(query, OPERATION).await?;
        Ok(rows.first().map_or(0, |row| row.get("number")))
    }

    /// Raises the write numbers of the tenants whose rows a transaction changes. Without a reader
    /// nobody asks for them.
    pub(super) async fn raise(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        tenants: BTreeSet<&TenantId>,
        operation: &'static str,
    ) -> Result<Writes, StoreError> {
        if self.reader.is_none() || tenants.is_empty() {
            return Ok(Writes::new());
        }
        let names: Vec<&str> = tenants.into_iter().map(TenantId::as_str).collect();
        let raise = sqlx::query(RAISE).bind(names).persistent(false);
        let raised = raise.fetch_all(&mut **transaction).await.map_err(failed(operation))?;
        let read = |row: &PgRow| Ok((row.get::<String, _>("tenant").try_into()?, row.get("number")));
        let writes: Result<Writes, BoxError> = raised.iter().map(read).collect();
        writes.map_err(StoreError::because(Store::Archive, operation))
    }
}
