//! Moving the ownership of a copied database's objects to its branch's role, one by one.
//!
//! Never `REASSIGN OWNED`: it also takes shared objects of the old owner, the template and the siblings among them.
//! Left out: what the system or an extension owns, and what follows something else (indexes, a column's sequence, a
//! table's row type).

use super::sql::{failed, identifier};
use crate::provider::ProviderError;
use tokio_postgres::Client;

/// Statements without their new owner. Schemas first: a new owner needs CREATE on the schema of what it takes over.
/// The `deptype` values: `e` member of an extension, `a` and `i` part of another object.
const STATEMENTS: &str = "
WITH member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), part AS (
    SELECT classid, objid FROM pg_depend WHERE deptype IN ('a', 'i') AND refobjsubid > 0
), user_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT statement FROM (
    SELECT 1 AS step, format('ALTER SCHEMA %I', nspname) AS statement, 'pg_namespace'::regclass AS classid, oid AS objid
    FROM user_schema
  UNION ALL
    SELECT 2, format('ALTER %s %I.%I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, s.nspname, c.relname),
        'pg_class'::regclass, c.oid
    FROM pg_class c JOIN user_schema s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
       OR (c.relkind = 'S' AND (SELECT count(*) FROM part p WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid) = 0)
  UNION ALL
    SELECT 3, format('ALTER ROUTINE %s', p.oid::regprocedure), 'pg_proc'::regclass, p.oid
    FROM pg_proc p JOIN user_schema s ON s.oid = p.pronamespace
  UNION ALL
    SELECT 4, format('ALTER %s %I.%I', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, s.nspname, t.typname),
        'pg_type'::regclass, t.oid
    FROM pg_type t JOIN user_schema s ON s.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
  UNION ALL
    SELECT 5, format('ALTER LARGE OBJECT %s', oid), 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
  UNION ALL
    SELECT 6, format('ALTER COLLATION %I.%I', s.nspname, c.collname), 'pg_collation'::regclass, c.oid
    FROM pg_collation c JOIN user_schema s ON s.oid = c.collnamespace
  UNION ALL
    SELECT 7, format('ALTER TEXT SEARCH CONFIGURATION %I.%I', s.nspname, c.cfgname), 'pg_ts_config'::regclass, c.oid
    FROM pg_ts_config c JOIN user_schema s ON s.oid = c.cfgnamespace
  UNION ALL
    SELECT 8, format('ALTER TEXT SEARCH DICTIONARY %I.%I', s.nspname, c.dictname), 'pg_ts_dict'::regclass, c.oid
    FROM pg_ts_dict c JOIN user_schema s ON s.oid = c.dictnamespace
) AS objects
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = objects.classid AND m.objid = objects.objid)
ORDER BY step, statement";

/// Makes `role` the owner of everything a user made in the database that `client` is connected to.
pub async fn take_over(client: &mut Client, role: &str) -> Result<(), ProviderError> {
    let transaction = client
        .transaction()
        .await
        .map_err(failed("begin a transaction"))?;
    let rows = transaction
        .query(STATEMENTS, &[])
        .await
        .map_err(failed("list what the template holds"))?;
    let owner = identifier(role);
    let statements: String = rows
        .iter()
        .map(|row| format!("{} OWNER TO {owner};\n", row.get::<_, String>(0)))
        .collect();
    transaction
        .batch_execute(&statements)
        .await
        .map_err(failed("move ownership to the branch's role"))?;
    transaction
        .commit()
        .await
        .map_err(failed("move ownership to the branch's role"))
}
