//! Running `understudy` and what comes of it.

use std::ffi::OsString;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use understudy_tests::shop;
pub use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(90);

/// Makes the policy `name`, which the developer may create previews under. A plan asks admission nothing, so that it need not
/// know the policy yet.
pub async fn policy(name: &str, change: impl FnOnce(&mut Value)) {
    shop::policy(stage().await.bed(), |policy| {
        policy["metadata"]["name"] = json!(name);
        policy["spec"]["creators"] = json!({ "users": ["developer"] });
        change(policy);
    })
    .await
    .unwrap();
}

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

/// `understudy ARGUMENTS` as `user`, not started yet.
pub async fn command(user: User, arguments: &[&str]) -> Command {
    let mut command = stage()
        .await
        .bed()
        .understudy(user)
        .expect("the program is built");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// `understudy ARGUMENTS` as `user`.
pub async fn understudy(user: User, arguments: &[&str]) -> Ran {
    let mut command = command(user, arguments).await;
    command.output().await.expect("it starts").into()
}

/// The value of a variable that `command` sets.
pub fn variable(command: &Command, name: &str) -> OsString {
    let mut all = command.as_std().get_envs();
    let found = all.find(|(found, _)| *found == name).and_then(|(_, value)| value);
    found.unwrap_or_else(|| panic!("{name} is not set")).to_owned()
}

/// As the developer.
pub async fn developer(arguments: &[&str]) -> Ran {
    understudy(User::Developer, arguments).await
}
