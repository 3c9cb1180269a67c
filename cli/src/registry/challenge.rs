//! What a registry wants to see before it answers: the header `WWW-Authenticate`.
//!
//! Source: RFC 9110, 11.6.1, and <https://distribution.github.io/distribution/spec/auth/token/>.

use http::{HeaderMap, header};
use std::collections::BTreeMap;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token from another server.
    Bearer {
        /// Where it is asked for.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

impl Challenge {
    /// The one to meet: a token where one is asked for.
    pub fn of(headers: &HeaderMap) -> Option<Challenge> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let all: Vec<_> = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(schemes)
            .collect();
        let bearer = all.iter().find_map(|(scheme, parameters)| {
            let realm = (scheme == "bearer").then(|| parameters.get("realm")).flatten()?;
            Some(Challenge::Bearer {
                realm: realm.clone(),
                service: parameters.get("service").cloned(),
                scope: parameters.get("scope").cloned(),
            })
        });
        let basic = || all.iter().any(|(scheme, _)| scheme == "basic");
        bearer.or_else(|| basic().then_some(Challenge::Basic))
    }
}

/// Every scheme in a header, in lower case, with its parameters.
fn schemes(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        let word = word.to_ascii_lowercase();
        // A word before an equals sign is a parameter of the scheme before it, any other one begins a new scheme.
        match after.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, after) = read(value.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.insert(word, value);
                }
                rest = after;
            }
            None => {
                found.push((word, BTreeMap::new()));
                rest = after;
            }
        }
    }
}

/// A value, quoted or not, and what follows it.
fn read(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut characters) = (String::new(), quoted.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn a_token_is_preferred_and_its_parameters_are_read_however_they_stand() {
        let wanted = Some(Challenge::Bearer {
            realm: "https://auth.example.com/token?a=b".to_owned(),
            service: Some("registry, the".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        });
        let bearer = r#"realm="https://auth.example.com/token?a=b",service="registry, the", scope="repository:a/b:pull,push""#;
        assert_eq!(challenge(&[&format!("Bearer {bearer}")]), wanted);
        assert_eq!(challenge(&[&format!("Basic realm=x, bearer {bearer}")]), wanted);
        assert_eq!(
            challenge(&["Basic realm=\"x\"", &format!("Bearer {bearer}")]),
            wanted
        );
        assert_eq!(challenge(&["BASIC realm=\"a \\\" b\""]), Some(Challenge::Basic));
        assert_eq!(challenge(&["Negotiate"]), None);
        assert_eq!(challenge(&["Bearer"]), None);
        assert_eq!(
            challenge(&["=, \"", "Bearer realm=\"open"]),
            Some(Challenge::Bearer {
                realm: "open".to_owned(),
                service: None,
                scope: None,
            })
        );
    }
}
