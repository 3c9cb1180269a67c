//! A data directory and the command that serves it.
//!
//! PostgreSQL refuses to run as root; then it runs as the user `postgres`, or `nobody`, who owns the data directory.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::testbed::directory::{Directory, own_uid};
use crate::testbed::pki;
use crate::testbed::supervisor::{Account, Process, Signal};

/// A data directory that `initdb` made.
pub struct Cluster {
    binaries: PathBuf,
    data: PathBuf,
    account: Option<Account>,
}

impl Cluster {
    pub fn create(directory: &Directory, name: &str, password: &str) -> Result<Self> {
        let binaries = binaries()?;
        let account = account()?;
        let home = directory.path().join(format!("postgres-{name}"));
        DirBuilder::new().mode(0o700).create(&home)?;
        let file = |name: &str| home.join(name);
        pki::write_secret(&file("password"), password)?;
        for part in ["postgres.crt", "postgres.key"] {
            fs::copy(directory.pki().join(part), file(part))?;
        }
        if let Some(Account { uid, gid }) = account {
            for path in [
                home.clone(),
                file("password"),
                file("postgres.crt"),
                file("postgres.key"),
            ] {
                chown(path, Some(uid), Some(gid))?;
            }
        }
        let data = file("data");
        let mut command = Command::new(binaries.join("initdb"));
        command
            .args([
                "--auth=scram-sha-256",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", file("password").display()))
            .arg("--pgdata")
            .arg(&data)
            .current_dir(&home);
        if let Some(Account { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
        let output = command.output().context("failed to run initdb")?;
        if !output.status.success() {
            bail!(
                "initdb failed ({}): {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        fs::remove_file(file("password"))?;
        Ok(Self {
            binaries,
            data,
            account,
        })
    }

    pub fn process(&self, name: &str, port: u16) -> Process {
        let home = self.data.parent().unwrap_or(&self.data);
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", home.join("postgres.crt").display()),
            format!("ssl_key_file={}", home.join("postgres.key").display()),
            // The data ends with the bed; a crash of the machine may take it.
            "fsync=off".to_owned(),
            "synchronous_commit=off".to_owned(),
            "full_page_writes=off".to_owned(),
        ];
        let mut argv = vec![self.binaries.join("postgres").display().to_string()];
        argv.extend(["-D".to_owned(), self.data.display().to_string()]);
        argv.extend(
            settings
                .into_iter()
                .flat_map(|setting| ["-c".to_owned(), setting]),
        );
        Process {
            name: name.to_owned(),
            argv,
            cwd: home.to_owned(),
            user: self.account,
            // Fast: sessions are ended, data is written. Immediate, when we die: at once, but sessions end with it.
            stop_by: Signal::SigInt,
            abort_by: Signal::SigQuit,
            ..Process::default()
        }
    }
}

/// The newest PostgreSQL on this machine. Debian keeps `initdb` out of PATH, in a directory for each release.
fn binaries() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for parent in ["/usr/lib/postgresql", "/usr/lib64/postgresql"] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
            found.extend(version.map(|version| (version, entry.path().join("bin"))));
        }
    }
    found.sort();
    let installed = found.into_iter().rev().map(|(_, path)| path);
    let in_path: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    installed.chain(in_path).find(|path| is_complete(path)).context(
        "PostgreSQL is needed for databases of previews, and neither /usr/lib/postgresql nor PATH has `initdb` and \
         `postgres`; install it with `apt-get install postgresql` (or `dnf install postgresql-server`, `brew install postgresql`)",
    )
}

fn is_complete(binaries: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|name| binaries.join(name).is_file())
}

/// The account to run as; none unless we are root.
fn account() -> Result<Option<Account>> {
    if own_uid()? != 0 {
        return Ok(None);
    }
    let table = fs::read_to_string("/etc/passwd").context("failed to read /etc/passwd")?;
    let found = ["postgres", "nobody"]
        .iter()
        .find_map(|name| account_of(&table, name));
    found
        .map(Some)
        .context("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`")
}

fn account_of(table: &str, name: &str) -> Option<Account> {
    let line = table.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(Account {
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let table =
            "postgres-old:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            account_of(table, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(account_of(table, "nobody"), None);
    }
}
