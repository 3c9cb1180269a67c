//! Bodies: read with a limit, against the clock, and within a budget that all of them share.
//!
//! A small body takes its memory freely, since every connection may have one. The rest of a large one comes from the budget,
//! once more has arrived than is free: what a client only announces costs nothing.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{Request, Version};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The API server sends at most an object and its old self, 3 MiB each.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// Most Pods fit in. Times the limit on connections, this is what small bodies may take together; over HTTP/2, where one
/// connection brings many of them, nothing is free.
const FREE: usize = 32 * 1024;
/// What the budget is counted in.
const PIECE: usize = 64 * 1024;
/// For what is beyond `FREE`, in pieces: one review of the largest size and a few large ones beside it.
const BUDGET: usize = 12 * 1024 * 1024 / PIECE;

/// Requests at a time over HTTP/2, on all connections together: more than API servers ask, less than attackers could.
const STREAMS: usize = 1024;

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
    _stream: Option<OwnedSemaphorePermit>,
}

/// The shared budget.
#[derive(Clone, Debug)]
pub struct Budget {
    pieces: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            pieces: Arc::new(Semaphore::new(BUDGET)),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }
}

impl Budget {
    /// Reads the body of `request` until `deadline`.
    pub async fn read(&self, request: Request<Incoming>, deadline: Instant) -> Result<Weighed, NoBody> {
        let (free, stream) = if request.version() == Version::HTTP_2 {
            let stream = self.streams.clone().try_acquire_owned();
            (0, Some(stream.map_err(|_| NoBody::Crowded)?))
        } else {
            (FREE, None)
        };
        let mut body = request.into_body();
        let announced = body.size_hint();
        if announced.lower() > LIMIT as u64 {
            return Err(NoBody::TooLarge);
        }
        let most = announced.upper().and_then(|most| usize::try_from(most).ok());
        let most = most.unwrap_or(LIMIT).min(LIMIT);
        let (mut bytes, mut share) = (Vec::with_capacity(most.min(FREE)), None);
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
            if length > free && share.is_none() {
                share = Some(self.take(most - free.min(most), deadline).await?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Weighed {
            bytes,
            _share: share,
            _stream: stream,
        })
    }

    /// All that a body may still need, at once: two that each wait for what the other has would both wait in vain.
    async fn take(&self, size: usize, deadline: Instant) -> Result<OwnedSemaphorePermit, NoBody> {
        let pieces = u32::try_from(size.div_ceil(PIECE)).unwrap_or(u32::MAX);
        let share = self.pieces.clone().acquire_many_owned(pieces);
        let share = timeout_at(deadline, share).await.map_err(|_| NoBody::Crowded)?;
        Ok(share.expect("the budget is never closed"))
    }
}
