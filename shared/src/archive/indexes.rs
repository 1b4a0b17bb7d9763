//! Indexes of the partitions. A migration makes an index for the parent table only, which takes no
//! time. Here it is made for each partition, while rows are written to it.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{Archive, failed};
use crate::store::StoreError;

const OPERATION: &str = "make the indexes of the partitions";

/// The indexes of the parent table that a partition lacks.
const MISSING: &str = "
SELECT parent.indexrelid::regclass::text AS index, pg_get_indexdef(parent.indexrelid) AS definition,
       partition.inhrelid::regclass::text AS partition
FROM pg_index parent JOIN pg_inherits partition ON partition.inhparent = parent.indrelid
WHERE parent.indrelid = 'summaries'::regclass AND NOT parent.indisvalid AND NOT EXISTS (
    SELECT FROM pg_inherits attached JOIN pg_index child ON child.indexrelid = attached.inhrelid
    WHERE attached.inhparent = parent.indexrelid AND child.indrelid = partition.inhrelid)
ORDER BY partition, index";

impl Archive {
    /// Makes the indexes that partitions lack. Returns their names.
    ///
    /// # Errors
    /// If the database does not answer. An index that was begun is made again in the next run.
    pub(super) async fn keep_indexes(&self) -> Result<Vec<String>, StoreError> {
        let mut connection = self.writer.acquire(OPERATION).await?;
        let rows = sqlx::query(MISSING).persistent(false).fetch_all(&mut *connection).await;
        let rows = rows.map_err(failed(OPERATION))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // Making an index of a large partition takes longer than any other statement.
        run(&mut connection, "SET statement_timeout = 0").await?;
        let mut made = Vec::new();
        for row in rows {
            let (index, partition) = (row.get::<String, _>("index"), row.get::<String, _>("partition"));
            let name = format!("{partition}{}", index.trim_start_matches("summaries"));
            let Some((_, columns)) = row.get::<&str, _>("definition").split_once(" USING ") else {
                continue;
            };
            for statement in [
                // A run that was stopped leaves an index that is not valid.
                format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"),
                format!("CREATE INDEX CONCURRENTLY {name} ON {partition} USING {columns}"),
                format!("ALTER INDEX {index} ATTACH PARTITION {name}"),
            ] {
                run(&mut connection, &statement).await?;
            }
            made.push(name);
        }
        // The connection is not used again, because it has another time-out.
        connection.detach().close().await.map_err(failed(OPERATION))?;
        Ok(made)
    }
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), StoreError> {
    let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection);
    run.await.map(drop).map_err(failed(OPERATION))
}
