//! Variables that the kubelet makes of Services (`enableServiceLinks`, and those of `kubernetes` always): their values are
//! addresses and ports that the cluster gives out later.
//!
//! Source: `getServiceEnvVarMap` of the kubelet;
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>.

use crate::host;
use percent_encoding::percent_decode_str;

/// Longest name of a variable that is looked for: that of a Service, and what the kubelet adds.
const NAME: usize = 253;
/// How far a bracket may be that an address of IPv6 stands in.
const BRACKETED: usize = 128;

/// Whether a reference to such a variable completes a host in `text`, which has been expanded, and does not stand for a whole
/// one or for a port: which host that is nobody can say.
pub fn completes_a_host(text: &str) -> bool {
    // Most texts hold none, and this is asked of every one.
    if !text.contains("$(") {
        return false;
    }
    let decoded = text
        .contains('%')
        .then(|| percent_decode_str(text).decode_utf8_lossy());
    let is_completed = |text: &str| references(text).any(|(start, end)| completes(text, start, end));
    is_completed(text)
        || is_completed(&host::tidy(text))
        || decoded.is_some_and(|decoded| is_completed(&decoded))
}

/// Where references to such variables stand.
fn references(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.match_indices("$(").filter_map(|(start, _)| {
        let name = &text.as_bytes()[start + 2..];
        let length = name
            .iter()
            .take(NAME)
            .take_while(|byte| in_a_name(**byte))
            .count();
        let name = &text[start + 2..start + 2 + length];
        let closed = text.as_bytes().get(start + 2 + length) == Some(&b')');
        (closed && is_link(name)).then_some((start, start + length + 3))
    })
}

fn in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_PORT_")
}

/// Whether the reference at `start..end` is a part of a host with others.
fn completes(text: &str, start: usize, end: usize) -> bool {
    let of_a_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$' | '(' | ')');
    let of_an_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let (before, after) = (&text[..start], &text[end..]);
    let run_before = |of: fn(char) -> bool| &before[before.trim_end_matches(of).len()..];
    let run_after = |of: fn(char) -> bool| &after[..after.len() - after.trim_start_matches(of).len()];
    let is_long = |run: &str| run.matches(':').nth(1).is_some();
    if is_long(run_before(of_an_address)) || is_long(run_after(of_an_address)) {
        return true;
    }
    // Where a sentence ends, no name goes on.
    let others = [run_before(of_a_host), run_after(of_a_host).trim_end_matches('.')].concat();
    let lately = before.char_indices().rev().take(BRACKETED).last();
    let in_brackets = before[lately.map_or(start, |(at, _)| at)..]
        .rsplit_once('[')
        .is_some_and(|(_, since)| since.contains(':') && since.chars().all(of_an_address));
    let is_number = others.starts_with("0x")
        || others.starts_with("0X")
        || others.bytes().all(|byte| byte.is_ascii_digit());
    !others.is_empty() && (is_number || others.contains(['.', '('])) || in_brackets
}

#[cfg(test)]
mod tests {
    use super::completes_a_host;

    #[test]
    fn a_whole_host_and_a_port_are_the_previews_own() {
        for text in [
            "http://$(API_SERVICE_HOST):$(API_SERVICE_PORT)/",
            "postgres://u:p@$(DB_SERVICE_HOST)/app",
            "redis:$(REDIS_PORT_6379_TCP_PORT)",
            "$(WEB_SERVICE_PORT)",
            "web-$(WEB_SERVICE_PORT)",
            "listens on $(WEB_SERVICE_PORT).",
            "10.96.0.$(LAST)",
            "http://[fd00::1]:$(WEB_SERVICE_PORT)/",
            "[ \"${X:-}\" = \"$(nc -z $APP_PORT_NUMBER)\" ]",
            "$(curl http://x.example.com:$WEB_PORT_1)",
        ] {
            assert!(!completes_a_host(text), "{text}");
        }
    }

    #[test]
    fn a_part_of_an_address_or_name_may_be_any() {
        for text in [
            "http://10.96.0.$(WEB_SERVICE_PORT)/",
            "http://$(WEB_SERVICE_PORT).96.0.12/",
            "$(WEB_SERVICE_HOST)2",
            "http://17432$(WEB_SERVICE_PORT)/",
            "http://0xA$(WEB_SERVICE_PORT)/",
            "http://$(A_PORT_1_TCP_PORT)$(B_SERVICE_PORT)/",
            "db-$(WEB_SERVICE_PORT).shop:5432",
            "http://[fd00::$(WEB_SERVICE_PORT)]/",
            "--host=10.96.0.$(WEB_SERVICE_PORT)",
            "::ffff:a60:$(WEB_SERVICE_PORT)",
            "http://0XA6000$(WEB_SERVICE_PORT)/",
            "postgresql://u:p@10%2E96%2E0%2E$(P_SERVICE_PORT)/x",
            "10\u{3002}96\u{3002}0\u{3002}$(WEB_SERVICE_PORT)",
        ] {
            assert!(completes_a_host(text), "{text}");
        }
    }
}
