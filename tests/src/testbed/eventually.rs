//! Waiting for a condition, instead of for a time.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// Asks until the answer is `Ok`, and fails at the deadline with the last reason why it was not.
///
/// `what` completes "gave up waiting until …".
pub async fn eventually<T, E, F, Fut>(deadline: Duration, what: &str, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Display,
{
    let end = Instant::now() + deadline;
    let mut pause = SHORTEST;
    let mut last = String::from("not a single answer");
    loop {
        match tokio::time::timeout_at(end, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(reason)) => last = format!("{reason:#}"),
            Err(_) => {}
        }
        if Instant::now() + pause >= end {
            bail!("gave up after {deadline:?} waiting until {what}; last seen: {last}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}
