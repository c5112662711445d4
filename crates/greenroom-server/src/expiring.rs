//! Drops versions of documents whose time is over, of rooms that are loaded and of those that are not.

use std::sync::Arc;
use std::time::Duration;

use greenroom_core::store::{StoreReply, StoreRequest};

use crate::edge::Edge;

/// How often the store is asked; the first time at the start.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Versions that are dropped in one transaction: each may have many pages, and all rooms wait.
const VERSIONS_MAX: usize = 64;

/// Drops them until the process stops.
pub(crate) async fn run(edge: Arc<Edge>) {
    let mut look = tokio::time::interval(LOOK_AGAIN);
    loop {
        // All arms are cancel-safe.
        tokio::select! {
            _ = look.tick() => expire(&edge).await,
            () = edge.stopping() => return,
        }
    }
}

async fn expire(edge: &Edge) {
    let before = edge.clock.now();
    let mut gone = 0;
    loop {
        let limit = VERSIONS_MAX;
        let request = StoreRequest::ExpireVersions { before, limit };
        // A store that takes no writes is asked again the next time.
        let StoreReply::Expired(count) = edge.request_store(request).await else {
            break;
        };
        gone += count;
        if count < limit as u64 {
            break;
        }
    }
    if gone > 0 {
        tracing::info!(versions = gone, "versions expired");
    }
}
