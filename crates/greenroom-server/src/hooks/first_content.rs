//! What a room in which nothing was ever written is to hold: asked of a receiver, once.

use std::sync::Arc;

use greenroom_core::collab::doc::gate::CheckedUpdate;
use greenroom_core::collab::doc::job::{DocumentJob, DocumentJobDone, FirstContent};
use greenroom_core::room::job::{Job, JobDone};
use greenroom_service::RoomId;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::oneshot;

use super::call::Call;
use super::client::Answer;
use super::message::{Message, ON_LOAD};
use crate::edge::Edge;

/// Asks for the first content of a room; `None` when there is none.
///
/// # Errors
/// Why nobody said what it is: a sentence for the operator. The room must not be made without.
pub(crate) async fn first_content(
    edge: &Arc<Edge>,
    room: &RoomId,
) -> Result<Option<CheckedUpdate>, String> {
    let policy = edge.policy();
    // A reload may have taken the hook away.
    let Some(url) = policy.hooks.on_load(room) else {
        return Ok(None);
    };
    let message = Message::load(room, edge.clock.now(), edge.random());
    let call = Call {
        hook: ON_LOAD,
        room,
        url,
        tries: 0,
        more: HeaderMap::new(),
        answer_bytes_max: policy.limits_of(room).document_bytes_max,
    };
    let wanted = |status| [StatusCode::OK, StatusCode::NO_CONTENT].contains(&status);
    let answer = call.ask(edge, &policy.hooks, &message, wanted).await;
    let answer = answer.ok_or("the receiver of `on_load` did not give it")?;
    if answer.status == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    let content = read(answer, edge.random())?;
    let (give, given) = oneshot::channel();
    let job = Job::Document(DocumentJob::First(content));
    edge.compute(job, move |done| drop(give.send(done)));
    match given.await {
        Ok(JobDone::Document(DocumentJobDone::First(checked))) => checked,
        _ => Err("its check panicked".into()),
    }
}

/// What an answer holds; `random` makes the client id of what is made here: 32 bits, as those of
/// Yjs.
fn read(answer: Answer, random: u64) -> Result<FirstContent, String> {
    let kind = answer.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/octet-stream" => Ok(FirstContent::Update(answer.body)),
        "application/json" => {
            let roots = serde_json::from_slice(&answer.body)
                .map_err(|error| format!("the answer is no JSON object: {error}"))?;
            Ok(FirstContent::Roots((random & 0xffff_ffff).max(1), roots))
        }
        _ => Err("the answer is neither application/json nor application/octet-stream".into()),
    }
}
