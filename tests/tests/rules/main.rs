//! The rule table on a real API server, row by row: as the developer, in previews, with every right that RBAC can give.

mod adoption;
mod applied;
mod changes;
mod copies;
mod destinations;
mod gifts;
mod later;
mod neighbours;
mod observing;
mod people;
mod refusals;
mod requests;

/// Waits until the guardrails of the preview `name` are in force, whatever databases it has.
async fn guarded(name: &str) {
    understudy_tests::previews::settled(name, |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        anyhow::ensure!(
            annotations.contains_key(understudy::keys::GUARDRAILS),
            "not sealed: {annotations:?}"
        );
        Ok(())
    })
    .await;
}
