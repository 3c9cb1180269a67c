//! Every database of the policy is a branch, whose role reaches nothing else on its server.

use super::row::Row;
use super::sight::{Branch, Sight};
use understudy::host;
use understudy::preview::BranchState;

/// PostgreSQL lets every role into these two, unless somebody revokes it; nobody keeps data there.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// One row for all branches.
pub fn row(sight: &Sight) -> Row {
    if sight.policy().is_none() {
        return Row::new("databases", "nothing").unknown("its policy is gone");
    }
    let looked = match sight.branches.as_slice() {
        [] => "the policy has no database".to_owned(),
        branches => {
            let place = |branch: &Branch| match &branch.login {
                Ok(login) => login.place(),
                Err(_) => branch.database.name.clone(),
            };
            let places: Vec<_> = branches.iter().map(place).collect();
            let let_in = if branches.iter().any(enters_maintenance) {
                ", which PostgreSQL lets into postgres or template1 as well"
            } else {
                ""
            };
            format!("{}, as the branch's own role{let_in}", places.join("; "))
        }
    };
    let mut row = Row::new("databases", looked);
    for branch in &sight.branches {
        row = row.broken_by(broken(sight, branch));
        if let Err(why) = &branch.powers {
            row = row.unknown(format!("{}: {why}", branch.database.name));
        }
    }
    row.hint(
        "run it where the server is reachable; --database-ca FILE names the authority of its certificate",
    )
}

fn broken(sight: &Sight, branch: &Branch) -> Vec<String> {
    let database = &branch.database;
    let mut found = Vec::new();
    match sight.preview.branches.get(&database.name) {
        Some(BranchState::Ready) => {}
        Some(state) => found.push(state.to_string()),
        None => found.push("there is no branch of it".to_owned()),
    }
    if let Ok(powers) = &branch.powers {
        let template = &database.branch.postgres.template;
        if !powers.attributes.is_empty() {
            found.push(format!("its role is {}", powers.attributes.join(", ")));
        }
        found.extend(
            powers
                .member_of
                .iter()
                .map(|role| format!("its role may act as role {role}")),
        );
        for other in powers
            .reaches
            .iter()
            .filter(|name| !MAINTENANCE.contains(&name.as_str()))
        {
            let golden = database.matches.databases.contains(other) && is_goldens_server(branch);
            let what = if golden { "the golden database" } else { "database" };
            found.push(format!("its role may connect to {what} {other}"));
        }
        if let Some(seen) = &powers.template {
            if seen.entered && !powers.reaches.contains(template) {
                found.push(format!("its role can log in to the template {template}"));
            }
            found.extend(
                seen.granted
                    .iter()
                    .map(|right| format!("its role was granted {right} on the template {template}")),
            );
        }
    }
    found
        .into_iter()
        .map(|what| format!("{}: {what}", database.name))
        .collect()
}

fn enters_maintenance(branch: &Branch) -> bool {
    let reaches = branch.powers.as_ref().map(|powers| powers.reaches.as_slice());
    reaches
        .unwrap_or_default()
        .iter()
        .any(|name| MAINTENANCE.contains(&name.as_str()))
}

/// Whether the branch lies on a server that the policy calls the golden's.
fn is_goldens_server(branch: &Branch) -> bool {
    let patterns = &branch.database.matches.hosts;
    let here = |login: &crate::branch::Login| {
        patterns
            .iter()
            .any(|pattern| host::matches(pattern, login.host()))
    };
    branch.login.as_ref().is_ok_and(here)
}
