//! Bodies: read with a limit, against the clock, and within a budget that all of them share.
//!
//! What a client announces is believed only where it announces too much. A body takes memory as it arrives: a small one
//! freely, since every connection may have one, and the rest of a large one from the budget.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{Request, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// The API server sends at most an object and its old self, 3 MiB each.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// Most Pods fit in. Times the limit on connections, this is what small bodies may take together; over HTTP/2, where one
/// connection brings many of them, nothing is free.
const FREE: usize = 32 * 1024;
/// What is taken from the budget at a time.
const PIECE: usize = 64 * 1024;
/// For what is beyond `FREE`, in pieces: one review of the largest size and a few large ones beside it.
const BUDGET: usize = 12 * 1024 * 1024 / PIECE;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBody {
    /// It is over the limit.
    TooLarge,
    /// It did not arrive in time.
    Slow,
    /// The client went away or broke the protocol.
    Broken,
    /// Others take all the memory there is for bodies.
    Crowded,
}

/// A body, with its share of the budget.
pub struct Weighed {
    /// What was sent.
    pub bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

/// The shared budget.
#[derive(Clone, Debug)]
pub struct Budget {
    pieces: Arc<Semaphore>,
    patience: Duration,
}

impl Budget {
    /// Waits at most `patience` for a piece.
    pub fn new(patience: Duration) -> Self {
        Budget {
            pieces: Arc::new(Semaphore::new(BUDGET)),
            patience,
        }
    }

    /// Reads the body of `request` until `deadline`.
    pub async fn read(&self, request: Request<Incoming>, deadline: Instant) -> Result<Weighed, NoBody> {
        let mut granted = if request.version() == Version::HTTP_2 {
            0
        } else {
            FREE
        };
        let mut body = request.into_body();
        let announced = body.size_hint();
        if announced.lower() > LIMIT as u64 {
            return Err(NoBody::TooLarge);
        }
        let expected = usize::try_from(announced.lower()).unwrap_or(FREE);
        let (mut bytes, mut share) = (Vec::with_capacity(expected.min(FREE)), None);
        loop {
            let frame = timeout_at(deadline, body.frame())
                .await
                .map_err(|_| NoBody::Slow)?;
            let Some(frame) = frame else { break };
            // Trailers say nothing here.
            let Ok(data) = frame.map_err(|_| NoBody::Broken)?.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > LIMIT {
                return Err(NoBody::TooLarge);
            }
            if length > granted {
                let pieces = (length - granted).div_ceil(PIECE);
                self.take(pieces, &mut share).await?;
                granted += pieces * PIECE;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Weighed { bytes, _share: share })
    }

    async fn take(&self, pieces: usize, share: &mut Option<OwnedSemaphorePermit>) -> Result<(), NoBody> {
        let more = self
            .pieces
            .clone()
            .acquire_many_owned(u32::try_from(pieces).unwrap_or(u32::MAX));
        let more = timeout(self.patience, more).await.map_err(|_| NoBody::Crowded)?;
        let more = more.expect("the budget is never closed");
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}
