//! `$(VAR)` expansion, as Kubernetes does it.
//!
//! Source: `third_party/forked/golang/expansion` of Kubernetes: `$$` is a literal `$`, a reference to an unknown variable
//! stays as it stands, and so does anything incomplete.

use std::collections::BTreeMap;

/// Expands the references of `input` against `known`; `None` once the result is longer than `limit` bytes.
///
/// The limit is checked on the way: ten references to ten references to … would otherwise fill any memory.
pub fn expand(input: &str, known: &BTreeMap<String, String>, limit: usize) -> Option<String> {
    let mut out = String::new();
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match known.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else if rest.starts_with('(') {
            // Nothing closes any reference from here on: what is left is looked through once and not once per opening.
            out.push('$');
            out.push_str(&rest.replace("$$", "$"));
            rest = "";
        } else {
            out.push('$');
        }
        if out.len() > limit {
            return None;
        }
    }
    out.push_str(rest);
    (out.len() <= limit).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_like_the_kubelet() {
        let known = [("A", "1"), ("B", "$(A)")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        for (input, expected) in [
            ("$(A)", "1"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("x$(B)y", "x$(A)y"),
            ("$(MISSING)", "$(MISSING)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("$(A)$(A)", "11"),
        ] {
            assert_eq!(expand(input, &known, 100).as_deref(), Some(expected), "{input}");
        }
    }

    #[test]
    fn an_expansion_that_would_fill_the_memory_is_given_up() {
        let known = [("A".to_owned(), "x".repeat(60))].into();
        assert_eq!(expand("$(A)$(A)", &known, 100), None);
        assert!(expand("$(A)", &known, 60).is_some());
    }
}
