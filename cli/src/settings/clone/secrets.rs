//! `--secret NAME=FILE` and `--secret NAME=env:KEY,…`.

use std::collections::BTreeMap;
use understudy::clone::GivenSecret;

/// Reads one Secret that is given. An error never shows a value.
pub(super) fn read(text: &str) -> Result<(String, GivenSecret), String> {
    let (name, source) = text
        .split_once('=')
        .filter(|(name, source)| !name.is_empty() && !source.is_empty())
        .ok_or("must be NAME=FILE or NAME=env:KEY,…")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.len() > 253 || !name.chars().all(is_name) {
        return Err("does not begin with the name of a Secret".to_owned());
    }
    let given = match source.strip_prefix("env:") {
        Some(keys) => environment(keys)?,
        None => {
            let text = std::fs::read_to_string(source).map_err(|error| format!("cannot be read: {error}"))?;
            GivenSecret::from_env_file(&text).map_err(|error| error.to_string())?
        }
    };
    Ok((name.to_owned(), given))
}

fn environment(keys: &str) -> Result<GivenSecret, String> {
    let mut data = BTreeMap::new();
    let mut missing = Vec::new();
    for key in keys.split(',') {
        match std::env::var(key) {
            Ok(value) => drop(data.insert(key.to_owned(), value.into_bytes())),
            Err(_) => missing.push(key),
        }
    }
    if missing.is_empty() {
        Ok(GivenSecret::new(data))
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
            ("Shop=x", "the name of a Secret"),
            ("a=env:UNDERSTUDY_NO_SUCH_VARIABLE", "UNDERSTUDY_NO_SUCH_VARIABLE"),
            ("a=/no/such/file", "cannot be read"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }
}
