//! `--secret NAME=FILE` and `NAME=env:KEY,…` for several keys, `NAME/KEY=FILE` and `NAME/KEY=env:VARIABLE` for one.

use std::collections::BTreeMap;
use understudy::clone::GivenSecret;

/// The Secrets that `texts` give; what is said of one later wins, key by key. An error comes with its text, which names
/// no value.
pub(super) fn read(texts: &[String]) -> (BTreeMap<String, GivenSecret>, Vec<(&str, String)>) {
    let (mut secrets, mut mistakes) = (BTreeMap::<_, GivenSecret>::new(), Vec::new());
    for text in texts {
        match one(text) {
            Ok((name, given)) => secrets.entry(name).or_default().extend(given),
            Err(why) => mistakes.push((text.as_str(), why)),
        }
    }
    (secrets, mistakes)
}

/// The Secret that a text is about.
pub(super) fn name(text: &str) -> &str {
    text.split(['/', '=']).next().unwrap_or_default()
}

/// Whether a text gives a whole Secret rather than one of its keys.
pub(super) fn is_whole(text: &str) -> bool {
    text[name(text).len()..].starts_with('=')
}

fn one(text: &str) -> Result<(String, GivenSecret), String> {
    let (place, source) = text
        .split_once('=')
        .filter(|(place, source)| !place.is_empty() && !source.is_empty())
        .ok_or("must be NAME=FILE, NAME/KEY=FILE or NAME=env:KEY,…")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let name = name(text);
    if name.is_empty() || name.len() > 253 || !name.chars().all(is_name) {
        return Err("does not begin with the name of a Secret".to_owned());
    }
    let given = match (place.split_once('/'), source.strip_prefix("env:")) {
        (Some((_, key)), Some(variable)) => single(key, environment(&[variable])?.remove(variable)),
        (Some((_, key)), None) => single(key, Some(file(source)?)),
        (None, Some(keys)) => Ok(GivenSecret::new(environment(
            &keys.split(',').collect::<Vec<_>>(),
        )?)),
        (None, None) => lines(&file(source)?).map_err(|why| {
            format!("{why}; a file that is the value of one key is given as {name}/KEY={source}")
        }),
    };
    Ok((name.to_owned(), given?))
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

fn lines(bytes: &[u8]) -> Result<GivenSecret, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text")?;
    GivenSecret::from_env_file(text).map_err(|error| error.to_string())
}

fn single(key: &str, value: Option<Vec<u8>>) -> Result<GivenSecret, String> {
    GivenSecret::single(key, value.unwrap_or_default()).map_err(|error| error.to_string())
}

fn environment(variables: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
    for variable in variables {
        match std::env::var_os(variable) {
            Some(value) => drop(values.insert((*variable).to_owned(), value.into_encoded_bytes())),
            None => missing.push(*variable),
        }
    }
    if missing.is_empty() {
        Ok(values)
    } else {
        Err(format!(
            "names variables that your environment lacks: {}",
            missing.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_given_says_why() {
        // F05, F06
        for (text, why) in [
            ("shop-api", "must be NAME=FILE"),
            ("=x", "must be NAME=FILE"),
            ("/key=x", "the name of a Secret"),
            ("Shop=x", "the name of a Secret"),
            ("a=env:UNDERSTUDY_NO_SUCH_VARIABLE", "UNDERSTUDY_NO_SUCH_VARIABLE"),
            (
                "a/b=env:UNDERSTUDY_NO_SUCH_VARIABLE",
                "UNDERSTUDY_NO_SUCH_VARIABLE",
            ),
            ("a=/no/such/file", "cannot be read"),
            ("a/b/c=/dev/null", "no key of a Secret"),
            ("a/..=/dev/null", "no key of a Secret"),
        ] {
            assert!(one(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_whole_file_is_the_value_of_one_key_byte_by_byte() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let pem = b"-----BEGIN PRIVATE KEY-----\nhunter2==\n-----END PRIVATE KEY-----\n";
        let (key, store) = (write("key", pem), write("store", &[0, 0xff, b'\n']));
        let mode = write("env", b"MODE=slow\nTOKEN=x\n");
        let texts = [
            format!("tls={mode}"),
            format!("tls/tls.key={key}"),
            format!("tls/store.p12={store}"),
            format!("tls/MODE={store}"),
        ];
        let (secrets, mistakes) = read(&texts);
        let expected = [
            ("MODE", vec![0, 0xff, b'\n']),
            ("TOKEN", b"x".to_vec()),
            ("store.p12", vec![0, 0xff, b'\n']),
            ("tls.key", pem.to_vec()),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(secrets["tls"], GivenSecret::new(expected.into()));
        assert!(mistakes.is_empty());
        // F06: as KEY=VALUE lines it is none, and no line of it is shown.
        let wrong = [format!("tls={key}")];
        let why = &read(&wrong).1[0].1;
        assert!(
            why.contains(&format!("tls/KEY={key}")) && !why.contains("hunter2"),
            "{why}"
        );
    }
}
