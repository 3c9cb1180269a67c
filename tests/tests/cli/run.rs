//! Running `understudy` and what comes of it.

use std::process::Output;
use std::time::Duration;

pub use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(90);

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts success.
    pub fn done(self) -> Ran {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what it prints is UTF-8");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// `understudy ARGUMENTS` as `user`.
pub async fn understudy(user: User, arguments: &[&str]) -> Ran {
    let mut command = stage()
        .await
        .bed()
        .understudy(user)
        .expect("the program is built");
    command.args(arguments).stdin(std::process::Stdio::null());
    command.output().await.expect("it starts").into()
}

/// As the developer.
pub async fn developer(arguments: &[&str]) -> Ran {
    understudy(User::Developer, arguments).await
}
