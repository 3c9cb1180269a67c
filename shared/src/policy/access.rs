//! Who may make previews, and who gets into them.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may make previews under this policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Creators {
    /// User names, compared whole.
    #[schemars(schema_with = "schema::subjects")]
    pub users: Vec<String>,
    /// Group names, compared whole.
    #[schemars(schema_with = "schema::subjects")]
    pub groups: Vec<String>,
    /// Service accounts as `namespace/name`.
    #[schemars(schema_with = "schema::service_accounts")]
    pub service_accounts: Vec<String>,
}

impl Creators {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.service_accounts.is_empty()
    }
}

/// Who gets the role `understudy-preview-user` in each preview, besides its creator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// Whether the owner gets access.
    pub owner: bool,
    /// Groups with access.
    #[schemars(schema_with = "schema::subjects")]
    pub groups: Vec<String>,
    /// Service accounts with access, as `namespace/name`.
    #[schemars(schema_with = "schema::service_accounts")]
    pub service_accounts: Vec<String>,
}

impl Default for Access {
    fn default() -> Self {
        Access {
            owner: true,
            groups: Vec::new(),
            service_accounts: Vec::new(),
        }
    }
}
