//! Writing SQL and its errors.

use crate::provider::ProviderError;
use tokio_postgres::Error;

/// A quoted identifier (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string constant; ours hold no backslash, which another setting could take for an escape.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What PostgreSQL says, without the statement: that could hold what nobody should read.
pub fn failed(what: &'static str) -> impl Fn(Error) -> ProviderError {
    move |error| {
        let said = match error.as_db_error() {
            Some(db) => format!("{} ({})", db.message(), db.code().code()),
            None => error.to_string(),
        };
        ProviderError::new(format!("failed to {what}: {said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        // E02
        assert_eq!(
            identifier("a\"; DROP DATABASE x; --"),
            "\"a\"\"; DROP DATABASE x; --\""
        );
        assert_eq!(literal("it's"), "'it''s'");
    }
}
