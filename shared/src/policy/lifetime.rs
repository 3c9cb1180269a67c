//! How long previews live and how many are made at once.

use crate::lifetime::Lifetime;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds on the lease. `min` binds the annotation `ttl` only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(ordered("min", "default")).message("lifetime.min must not exceed lifetime.default"))]
#[x_kube(validation = Rule::new(ordered("default", "max")).message("lifetime.default must not exceed lifetime.max"))]
pub struct LifetimeLimits {
    /// The lease of a preview that names none.
    #[serde(default = "day")]
    pub default: Lifetime,
    /// The shortest `ttl` that may be asked for.
    #[serde(default = "hour")]
    pub min: Lifetime,
    /// The longest time from creation to the end, extensions included.
    #[serde(default = "week")]
    pub max: Lifetime,
}

impl Default for LifetimeLimits {
    fn default() -> Self {
        LifetimeLimits {
            default: day(),
            min: hour(),
            max: week(),
        }
    }
}

fn hour() -> Lifetime {
    Lifetime::from_seconds(3600).expect("an hour is a lifetime")
}

fn day() -> Lifetime {
    Lifetime::from_seconds(24 * 3600).expect("a day is a lifetime")
}

fn week() -> Lifetime {
    Lifetime::from_seconds(168 * 3600).expect("a week is a lifetime")
}

/// CEL: field `a` is no longer than field `b`. CEL's own `duration()` knows no days.
fn ordered(a: &str, b: &str) -> String {
    let seconds = |field: &str| {
        format!(
            "int(self.{field}.substring(0, size(self.{field}) - 1)) * \
             {{'d': 86400, 'h': 3600, 'm': 60, 's': 1}}[self.{field}.substring(size(self.{field}) - 1)]"
        )
    };
    format!("{} <= {}", seconds(a), seconds(b))
}

/// How much is made at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Capacity {
    /// Database branches made at the same time.
    #[schemars(range(min = 1, max = 64))]
    pub starting: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { starting: 4 }
    }
}
