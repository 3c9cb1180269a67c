//! What a preview must not do to the outside: run on a schedule, send mail, use keys of production.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept from running or reaching out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Quarantine {
    /// What happens to CronJobs. One that somebody starts by hand (`kubectl create job --from=cronjob/…`) runs.
    pub cron_jobs: CronJobs,
    /// Whether `network.egress.internet` leaves out the ports of mail servers: 25, 465, 587 and 2525.
    pub smtp: Smtp,
    /// Variables that get another value wherever a container has them, however it comes by them.
    #[schemars(schema_with = "schema::variables")]
    pub env: BTreeMap<String, String>,
}

/// What happens to CronJobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CronJobs {
    /// They are suspended; where they live in Git, the Jobs they make are.
    #[default]
    Suspend,
    /// They run.
    Run,
}

/// What happens to mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Smtp {
    /// The ports of mail servers stay closed towards the internet.
    #[default]
    Deny,
    /// They are open where the internet is.
    Allow,
}
