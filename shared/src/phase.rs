//! Where a preview stands, computed from what is there, never stored as a wish.

use std::fmt;
use std::str::FromStr;

/// The value of the label `understudy.dev/phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not sealed, or a branch is not ready.
    Pending,
    /// Sealed; some Pod is not ready yet.
    Deploying,
    /// Every Pod is ready.
    Ready,
    /// Something needs a person: the annotation `message` says what.
    Failed,
    /// The lease has run out; the preview is being destroyed, or is an adopted namespace, which is kept.
    Expired,
}

impl Phase {
    const ALL: [Phase; 5] = [
        Phase::Pending,
        Phase::Deploying,
        Phase::Ready,
        Phase::Failed,
        Phase::Expired,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Deploying => "Deploying",
            Phase::Ready => "Ready",
            Phase::Failed => "Failed",
            Phase::Expired => "Expired",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Phase::ALL
            .into_iter()
            .find(|phase| phase.name() == text)
            .ok_or(())
    }
}

/// What the phase is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The lease has run out.
    pub over: bool,
    /// The policy exists and the guardrails of its present generation are sealed.
    pub sealed: bool,
    /// Branches that are not ready.
    pub unready_branches: usize,
    /// Branches that cannot be made.
    pub failed_branches: usize,
    /// Something came in unreviewed and is not as it should be.
    pub unfit: bool,
    /// Pods that have not finished and are not ready.
    pub unready_pods: usize,
}

/// The phase that `observed` adds up to.
pub fn phase(observed: Observed) -> Phase {
    match observed {
        Observed { over: true, .. } => Phase::Expired,
        Observed {
            failed_branches: 1.., ..
        }
        | Observed { unfit: true, .. } => Phase::Failed,
        Observed { sealed: false, .. }
        | Observed {
            unready_branches: 1..,
            ..
        } => Phase::Pending,
        Observed {
            unready_pods: 1.., ..
        } => Phase::Deploying,
        _ => Phase::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_lease_outweighs_everything() {
        let ready = Observed {
            sealed: true,
            ..Observed::default()
        };
        assert_eq!(phase(ready), Phase::Ready);
        assert_eq!(
            phase(Observed {
                unready_pods: 1,
                ..ready
            }),
            Phase::Deploying
        );
        assert_eq!(
            phase(Observed {
                unready_branches: 1,
                unready_pods: 1,
                ..ready
            }),
            Phase::Pending
        );
        assert_eq!(
            phase(Observed {
                unready_branches: 1,
                failed_branches: 1,
                ..ready
            }),
            Phase::Failed
        );
        assert_eq!(phase(Observed::default()), Phase::Pending);
        assert_eq!(
            phase(Observed {
                over: true,
                failed_branches: 1,
                ..ready
            }),
            Phase::Expired
        );
    }

    #[test]
    fn names_round_trip() {
        assert!(
            Phase::ALL
                .into_iter()
                .all(|phase| phase.name().parse() == Ok(phase))
        );
    }
}
