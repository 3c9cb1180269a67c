//! How hard the API server is asked: however many previews there are, people and the control plane come first.

use kube::Client;
use kube::client::Body;
use std::time::Duration;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, service_fn};

/// Requests under way at once. An API server keeps 25 idle connections to a webhook: a larger burst of writes makes it open
/// connections for a single review each.
const AT_ONCE: usize = 20;
/// Previews that are attended to at once. Where thousands come together, whoever came first is sealed first, and not all of
/// them at the end. Far more than ever wait for a database server.
pub const ATTENDED: u16 = 256;
/// Previews that are looked at for no reason but time, in a second.
const LOOKS: u32 = 10;
/// Between two such looks at one preview, at least.
const CALM: Duration = Duration::from_secs(300);
/// Between two looks while something is on its way.
pub const BUSY: Duration = Duration::from_millis(500);
/// The same, once that has taken long.
const BUSY_FOR_LONG: Duration = Duration::from_secs(2);
/// The same while guardrails are on their way: each of them is an event when it comes.
const UNSEALED_FOR_LONG: Duration = Duration::from_secs(30);

/// For an answer to begin. The API server itself gives a request a minute.
const ANSWERED: Duration = Duration::from_secs(65);

/// `client`, which asks no more than so much at once, and waits for no answer for ever. A watch counts until it has begun.
pub fn considerate(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move { client.send(request).await }
    });
    let answered = TimeoutLayer::new(ANSWERED).layer(service);
    Client::new(ConcurrencyLimitLayer::new(AT_ONCE).layer(answered), namespace)
}

/// Between two looks at one of so many `previews` when nothing changed: time passes without an event, and a missed event heals.
pub fn calm(previews: usize) -> Duration {
    let previews = u32::try_from(previews).unwrap_or(u32::MAX);
    CALM.max(Duration::from_secs(1) * (previews / LOOKS))
}

/// Between two looks at a preview that came `ago`, while something is on its way: mostly an event comes first.
pub fn busy(ago: Duration) -> Duration {
    (ago / 8).clamp(BUSY, BUSY_FOR_LONG)
}

/// Between two looks at a preview that came `ago` and is not sealed yet. Where thousands come at once, looks in vain would be
/// all there is time for.
pub fn unsealed(ago: Duration) -> Duration {
    (ago / 8).clamp(BUSY, UNSEALED_FOR_LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_many_previews_each_is_looked_at_less_often() {
        assert_eq!(calm(0), CALM);
        assert_eq!(calm(3_000), CALM);
        assert_eq!(calm(10_000), Duration::from_secs(1_000));
    }

    #[test]
    fn what_takes_long_is_asked_for_less_often() {
        assert_eq!(busy(Duration::ZERO), BUSY);
        assert_eq!(busy(Duration::from_secs(8)), Duration::from_secs(1));
        assert_eq!(busy(Duration::from_secs(3_600)), BUSY_FOR_LONG);
        assert_eq!(unsealed(Duration::from_secs(80)), Duration::from_secs(10));
    }
}
