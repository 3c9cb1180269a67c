//! `$(VAR)` expansion, as Kubernetes does it.
//!
//! Source: `third_party/forked/golang/expansion` of Kubernetes: `$$` is a literal `$`, a reference to an unknown variable
//! stays as it stands, and so does anything incomplete.

/// A part of a text.
enum Piece<'t> {
    /// Taken as it is.
    Text(&'t str),
    /// `$(NAME)`.
    Reference(&'t str),
}

/// Expands the references of `input` against `known`; `None` once the result is longer than `limit` bytes.
///
/// The limit is checked on the way: ten references to ten references to … would otherwise fill any memory.
pub fn expand<'k>(input: &str, known: impl Fn(&str) -> Option<&'k str>, limit: usize) -> Option<String> {
    if !input.contains('$') {
        return (input.len() <= limit).then(|| input.to_owned());
    }
    let mut out = String::new();
    for piece in pieces(input) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference(name) => match known(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            },
        }
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

/// The names that `input` refers to.
pub(super) fn referred(input: &str) -> impl Iterator<Item = &str> {
    pieces(input).filter_map(|piece| match piece {
        Piece::Reference(name) => Some(name),
        Piece::Text(_) => None,
    })
}

fn pieces(input: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = input;
    // Once nothing closes a reference, nothing from there on does: that is looked for once and not once per opening.
    let mut closed = true;
    std::iter::from_fn(move || {
        let Some(after) = rest.strip_prefix('$') else {
            let (text, more) = rest.split_at(rest.find('$').unwrap_or(rest.len()));
            rest = more;
            return (!text.is_empty()).then_some(Piece::Text(text));
        };
        if closed && let Some(inner) = after.strip_prefix('(') {
            if let Some((name, after)) = inner.split_once(')') {
                rest = after;
                return Some(Piece::Reference(name));
            }
            closed = false;
        }
        rest = after.strip_prefix('$').unwrap_or(after);
        Some(Piece::Text("$"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_like_the_kubelet() {
        let known = |name: &str| match name {
            "A" => Some("1"),
            "B" => Some("$(A)"),
            _ => None,
        };
        for (input, expected) in [
            ("$(A)", "1"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("x$(B)y", "x$(A)y"),
            ("$(MISSING)", "$(MISSING)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("$(A)$(A)", "11"),
            ("$($$(A$$$", "$($(A$$"),
            ("$(A$(B)", "$(A$(B)"),
        ] {
            assert_eq!(expand(input, known, 100).as_deref(), Some(expected), "{input}");
        }
    }

    #[test]
    fn an_expansion_that_would_fill_the_memory_is_given_up() {
        let long = "x".repeat(60);
        let known = |_: &str| Some(long.as_str());
        assert_eq!(expand("$(A)$(A)", known, 100), None);
        assert!(expand("$(A)", known, 60).is_some());
    }
}
