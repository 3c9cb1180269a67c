//! Pointing a connection at a branch, without a secret value in clear.
//!
//! A plain URL becomes a reference to the key `uri` (or `jdbc-uri`) of the branch Secret. One that carries a driver or
//! options is composed from references, so that nothing is lost: options that are identity are replaced, known harmless
//! ones survive byte for byte, unknown ones might hold a secret and are dropped with a warning.

use super::{Connection, Flavour};

/// What a variable becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// A `secretKeyRef` to this key of the branch Secret.
    Key(&'static str),
    /// A text with `$(VAR)` references to [`parts`].
    Composed(String),
    /// Nothing: another variable says it.
    Empty,
}

/// Options that say who connects to what: replaced as a whole.
const IDENTITY: &[&str] = &[
    "user",
    "username",
    "password",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "database",
    "passfile",
    "service",
    "server",
    "pghost",
    "pgport",
    "pgdbname",
    "sslpassword",
];

/// The keywords of a keyword string that say who connects to what, with the part that stands for each.
const KEYWORDS: [(&str, &str); 5] = [
    ("host", "HOST"),
    ("port", "PORT"),
    ("dbname", "DBNAME"),
    ("user", "USER"),
    ("password", "PASSWORD"),
];

/// Options that neither say who connects to what nor can hold a secret.
const HARMLESS: &[&str] = &[
    "application_name",
    "applicationname",
    "assumeminserverversion",
    "binarytransfer",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "connecttimeout",
    "currentschema",
    "defaultrowfetchsize",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "logintimeout",
    "max_conns",
    "pgbouncer",
    "pool_timeout",
    "prepared_statement_cache_size",
    "preparethreshold",
    "rewritebatchedinserts",
    "schema",
    "search_path",
    "sockettimeout",
    "ssl",
    "sslmode",
    "stringtype",
    "tcp_user_timeout",
    "tcpkeepalive",
];

/// The variables a composed connection refers to, with the key of the branch Secret each one holds.
pub const PARTS: [(&str, &str); 5] = [
    ("USER", "username"),
    ("PASSWORD", "password"),
    ("HOST", "host"),
    ("PORT", "port"),
    ("DBNAME", "dbname"),
];

/// What the names of all variables of [`PARTS`] begin with.
pub(crate) const PREFIX: &str = "UNDERSTUDY_";

/// The variable for one of [`PARTS`] of policy database `name`: `UNDERSTUDY_APP_USER`.
pub fn variable(name: &str, part: &str) -> String {
    format!("{PREFIX}{}_{part}", name.to_ascii_uppercase().replace('-', "_"))
}

/// What `connection` becomes on the branch of policy database `name`, and the options that were dropped.
///
/// `written` is the text before its references were followed, where there were any: an option is kept only if it stands there
/// as it is, since what a reference brings may be a secret.
pub fn rewrite(connection: &Connection<'_>, name: &str, written: Option<&str>) -> (Rewritten, Vec<String>) {
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (key, value) in connection.options() {
        let known = key.to_ascii_lowercase();
        let option = if value.is_empty() {
            key.to_owned()
        } else {
            format!("{key}={value}")
        };
        // Asked last: a text may be long, and hold thousands of others.
        let stands = || written.is_none_or(|written| written.contains(&option));
        if HARMLESS.contains(&known.as_str()) && stands() {
            kept.push(option);
        } else if !IDENTITY.contains(&known.as_str()) {
            dropped.push(key.to_owned());
        }
    }
    let part = |part| format!("$({})", variable(name, part));
    if connection.flavour == Flavour::Keywords {
        return keywords(connection, part, written);
    }
    let (user, password) = (part("USER"), part("PASSWORD"));
    let server = format!("{}:{}/{}", part("HOST"), part("PORT"), part("DBNAME"));
    let rewritten = match connection.flavour {
        Flavour::Plain if kept.is_empty() => Rewritten::Key("uri"),
        Flavour::Jdbc if kept.is_empty() => Rewritten::Key("jdbc-uri"),
        Flavour::Plain | Flavour::Driver => {
            let query = if kept.is_empty() {
                String::new()
            } else {
                format!("?{}", kept.join("&"))
            };
            let (scheme, query) = (escape(connection.scheme), escape(&query));
            Rewritten::Composed(format!("{scheme}{user}:{password}@{server}{query}"))
        }
        // Returned above.
        Flavour::Keywords => unreachable!("keyword strings have a function of their own"),
        Flavour::Jdbc => {
            let query = escape(&kept.join("&"));
            Rewritten::Composed(format!(
                "jdbc:postgresql://{server}?user={user}&password={password}&{query}"
            ))
        }
    };
    (rewritten, dropped)
}

/// A keyword string with identity replaced where it stands, harmless pairs byte for byte, the rest left out.
fn keywords(
    connection: &Connection<'_>,
    part: impl Fn(&'static str) -> String,
    written: Option<&str>,
) -> (Rewritten, Vec<String>) {
    let text = connection.scheme;
    let (mut out, mut dropped, mut put, mut at) = (String::new(), Vec::new(), Vec::new(), 0);
    for pair in &connection.pairs {
        let known = pair.key.to_ascii_lowercase();
        let replacement = KEYWORDS
            .iter()
            .find(|(keyword, _)| *keyword == known)
            .map(|(_, part)| *part);
        match replacement {
            Some(name) => {
                out.push_str(&escape(&text[at..pair.span.start]));
                out.push_str(&part(name));
                put.push(name);
            }
            None if HARMLESS.contains(&known.as_str())
                && written.is_none_or(|written| written.contains(&text[pair.whole.clone()])) =>
            {
                out.push_str(&escape(&text[at..pair.whole.end]))
            }
            None => {
                if !IDENTITY.contains(&known.as_str()) {
                    dropped.push(pair.key.clone());
                }
                out.push_str(&escape(&text[at..pair.whole.start]));
            }
        }
        at = pair.whole.end;
    }
    // A value that is empty at the end would take what is added for itself.
    if connection.pairs.last().is_some_and(|pair| pair.span.is_empty()) && out.ends_with('=') {
        out.push_str("''");
    }
    out.push_str(&escape(&text[at..]));
    for (keyword, name) in KEYWORDS.iter().filter(|(_, name)| !put.contains(name)) {
        out.push_str(&format!(" {keyword}={}", part(name)));
    }
    (Rewritten::Composed(out), dropped)
}

/// A literal `$` is written twice where the kubelet expands `$(VAR)`.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> (Rewritten, Vec<String>) {
        rewrite(&Connection::parse(text).unwrap(), "app", None)
    }

    #[test]
    fn a_plain_url_becomes_a_reference() {
        assert_eq!(rewritten("postgres://u:p@db.shop/shop").0, Rewritten::Key("uri"));
        assert_eq!(
            rewritten("postgres://db.shop/shop?user=u&password=p").0,
            Rewritten::Key("uri")
        );
        assert_eq!(
            rewritten("jdbc:postgresql://db.shop/shop?user=u&password=p").0,
            Rewritten::Key("jdbc-uri")
        );
    }

    #[test]
    fn driver_and_harmless_options_survive_byte_for_byte() {
        let (value, dropped) =
            rewritten("postgresql+psycopg2://u:p@db.shop/shop?application_name=w%20$x&sslmode=require");
        assert_eq!(dropped, Vec::<String>::new());
        assert_eq!(
            value,
            Rewritten::Composed(
                "postgresql+psycopg2://$(UNDERSTUDY_APP_USER):$(UNDERSTUDY_APP_PASSWORD)@$(UNDERSTUDY_APP_HOST):\
                 $(UNDERSTUDY_APP_PORT)/$(UNDERSTUDY_APP_DBNAME)?application_name=w%20$$x&sslmode=require"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_unknown_option_might_hold_a_secret_and_is_dropped() {
        let (value, dropped) = rewritten("postgres://u:p@db.shop/shop?vault_token=s3cret");
        assert_eq!(
            (value, dropped),
            (Rewritten::Key("uri"), vec!["vault_token".to_owned()])
        );
    }

    #[test]
    fn a_keyword_string_keeps_everything_but_identity_where_it_stands() {
        let (value, dropped) =
            rewritten("host=db.shop  port=5432 sslmode=require dbname = 'shop' token=x password='p q'");
        let expected = "host=$(UNDERSTUDY_APP_HOST)  port=$(UNDERSTUDY_APP_PORT) sslmode=require \
                        dbname = $(UNDERSTUDY_APP_DBNAME)  password=$(UNDERSTUDY_APP_PASSWORD) user=$(UNDERSTUDY_APP_USER)";
        assert_eq!(
            (value, dropped),
            (Rewritten::Composed(expected.to_owned()), vec!["token".to_owned()])
        );
    }

    #[test]
    fn jdbc_with_options_is_composed() {
        let (value, _) = rewritten("jdbc:postgresql://db.shop/shop?user=u&password=p&currentSchema=x");
        let Rewritten::Composed(text) = value else {
            panic!("not composed")
        };
        assert!(
            text.ends_with("&currentSchema=x") && !text.contains("=p&"),
            "{text}"
        );
    }
}
