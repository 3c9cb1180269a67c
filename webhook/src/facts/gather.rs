//! The facts of one review: from memory, and read live exactly where the core asks for it.

use super::{Live, Memory};
use understudy::admission::{self, Facts, Request, Stage};
use understudy::environment::Fact;

/// What `request`, of which some rule speaks, has to be reviewed with.
pub async fn gather(memory: &Memory, live: &Live, stage: Stage, request: &Request) -> Facts {
    let (preview, sources, pods) = tokio::join!(
        memory.preview(request, stage, live),
        live.read(&request.namespace, admission::needs(request)),
        async {
            match admission::adopts(request) {
                true => live.has_pods(&request.name).await,
                false => Fact::Unknown,
            }
        },
    );
    Facts {
        pods,
        ..memory.facts(preview, sources)
    }
}
