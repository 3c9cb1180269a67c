//! The command as it can be typed again, and others for the same cluster: each word as a shell takes it.

use super::Connection;
use std::fmt;

/// A command, and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The verb and what followed it, except for where the cluster is.
    line: String,
    /// What of it says which clone is meant.
    wishes: String,
    /// Where the cluster is, as far as that was typed; begins with a space where it is anything.
    cluster: String,
}

impl Typed {
    /// `understudy LINE`, which means the clone that `wishes` say.
    pub fn new(line: Words, wishes: Words, connection: &Connection) -> Self {
        let mut cluster = Words::default();
        let kubeconfig = connection.kubeconfig.as_ref();
        cluster.option("--kubeconfig", kubeconfig.map(|path| path.display().to_string()));
        cluster.option("--context", connection.context.clone());
        let cluster = match cluster.0.as_str() {
            "" => String::new(),
            words => format!(" {words}"),
        };
        Typed {
            line: line.0,
            wishes: wishes.0,
            cluster,
        }
    }

    /// The same clone with every verdict, and nothing written.
    pub fn dry_run(&self) -> String {
        format!("understudy clone {} --dry-run{}", self.wishes, self.cluster)
    }

    /// The same clone, by whatever verb it was asked for.
    pub fn clone_of_it(&self) -> String {
        format!("understudy clone {}{}", self.wishes, self.cluster)
    }

    /// Another command of ours there.
    pub fn other(&self, line: &str) -> String {
        format!("understudy {line}{}", self.cluster)
    }

    /// A command of kubectl there.
    pub fn kubectl(&self, line: &str) -> String {
        format!("kubectl {line}{}", self.cluster)
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "understudy {}{}", self.line, self.cluster)
    }
}

/// Words of a command, quoted where a shell would read them otherwise.
#[derive(Clone, Debug, Default)]
pub struct Words(String);

impl Words {
    /// One more.
    pub fn word(&mut self, word: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&quoted(word));
    }

    /// A flag, where it is given.
    pub fn flag(&mut self, flag: &str, given: bool) {
        if given {
            self.word(flag);
        }
    }

    /// A flag with its value, where it has one.
    pub fn option(&mut self, flag: &str, value: Option<String>) {
        if let Some(value) = value {
            self.word(flag);
            self.word(&value);
        }
    }

    /// All words of `other`.
    pub fn and(mut self, other: &Words) -> Self {
        if !self.0.is_empty() && !other.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&other.0);
        self
    }
}

/// In single quotes, in which nothing means anything; each of those in the word is written outside of them.
fn quoted(word: &str) -> String {
    // The last one stands for what is not repeated.
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-…".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_word_as_it_was_typed() {
        for (word, wanted) in [
            (
                "web=registry.example.com/web:1@sha256:00",
                "web=registry.example.com/web:1@sha256:00",
            ),
            ("Deployment/w*", "'Deployment/w*'"),
            ("my file", "'my file'"),
            ("it's", r"'it'\''s'"),
            ("$(id)", "'$(id)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
