//! What programs ask of the document over REST.

use bytes::Bytes;
use greenroom_service::{Outcome, Refuse, To, UserId};

use super::Document;
use super::stored::edited_record;
use super::versions::Occasion;
use crate::collab::doc::ask::{Answer, Ask, Outcome as Answered};
use crate::collab::doc::gate::CheckedUpdate;
use crate::collab::doc::shadow::Verdict;
use crate::protocol::{ServerMessage, YjsMessage};
use crate::room::behaviour::{Cx, Effect, Visibility};
use crate::room::request::{PartShown, Reply, RequestId};
use crate::store::{Part, VersionKind};

/// A request that a job answers.
#[derive(Debug)]
pub(super) struct Asked {
    id: RequestId,
    /// For whom.
    user: Option<UserId>,
    /// The name of the version that it keeps.
    label: String,
}

/// Requests that a job answers.
pub(super) type Requests = Vec<Asked>;

/// A request that waits for a job.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: RequestId,
    pub(super) user: Option<UserId>,
    pub(super) ask: Ask,
}

impl Document {
    /// Answers a request, at once where no engine is needed, or after a job.
    pub(crate) fn request(
        &mut self,
        id: RequestId,
        user: Option<&UserId>,
        ask: Ask,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        if let Ask::Apply(update) = ask {
            let reply = self.edited(user, update, cx)?;
            answer(id, reply, cx);
            return Ok(());
        }
        if let Ask::Drop(version) = ask {
            let document = self.name.clone();
            cx.effects.push(Effect::DropVersion {
                request: id,
                document,
                id: version,
            });
            return Ok(());
        }
        if matches!(ask, Ask::Keep(_)) && self.is_blank() {
            let reason = "nothing was ever written into the document: there is no state to keep";
            return Err(Refuse::new("document_empty", reason).into());
        }
        if let Some(nothing) = ask.of_nothing().filter(|_| self.is_blank()) {
            answer(id, Reply::Document(nothing), cx);
            return Ok(());
        }
        if matches!(ask, Ask::Update) && self.tail.is_empty() && !self.base.is_empty() {
            let whole = Answer::Update(self.base.clone());
            answer(id, Reply::Document(whole), cx);
            return Ok(());
        }
        if self.broken {
            return Err(unreadable().into());
        }
        if matches!(ask, Ask::Edit(..) | Ask::Restore(_) | Ask::Keep(_)) {
            // What would be refused after the work is refused before.
            self.check_room_for(0, cx)?;
        }
        let user = user.cloned();
        self.requests.push(Waiting { id, user, ask });
        self.work(cx);
        Ok(())
    }

    /// What a job is to answer now, and for whom.
    pub(super) fn take_requests(&mut self) -> (Vec<(RequestId, Ask)>, Requests) {
        let waiting = std::mem::take(&mut self.requests).into_iter();
        let split = |waiting: Waiting| {
            let label = match &waiting.ask {
                Ask::Keep(label) => label.clone(),
                _ => String::new(),
            };
            let asked = Asked {
                id: waiting.id,
                user: waiting.user,
                label,
            };
            ((waiting.id, waiting.ask), asked)
        };
        waiting.map(split).unzip()
    }

    /// A job gave its answers. Edits are in its engine already: when one is refused here, the engine
    /// goes, and with it those that were made on top.
    pub(super) fn give_answers(
        &mut self,
        requests: Requests,
        answers: Vec<(RequestId, Result<Answered, Refuse>)>,
        cx: &mut Cx<'_>,
    ) {
        let mut lost: Option<Refuse> = None;
        for ((id, answered), asked) in answers.into_iter().zip(requests) {
            let user = asked.user.as_ref();
            let reply = match (answered, &lost) {
                (
                    Ok(Answered::Edit(Some(_)) | Answered::Restore(Some(_)) | Answered::Keep(_)),
                    Some(refuse),
                ) => Err(refuse.clone()),
                (Ok(Answered::Answer(found)), _) => Ok(Reply::Document(found)),
                (Ok(Answered::Edit(None) | Answered::Restore(None)), _) => Ok(unchanged(cx)),
                (Ok(Answered::Edit(Some(update))), None) => self.edited(user, update, cx),
                (Ok(Answered::Restore(Some((before, update)))), None) => {
                    self.restored(user, &before, update, cx)
                }
                (Ok(Answered::Keep(state)), None) => {
                    // The room answers when the store has it.
                    let occasion = Occasion {
                        request: Some(id),
                        kind: VersionKind::Named,
                        label: asked.label,
                        user: asked.user,
                    };
                    self.version_due = None;
                    self.keep_version(occasion, cx.next_seq - 1, &state, cx);
                    continue;
                }
                (Err(refuse), _) => {
                    answer(id, Reply::Refused(refuse), cx);
                    continue;
                }
            };
            let reply = reply.unwrap_or_else(|refuse| {
                self.engine = None;
                lost = Some(refuse.clone());
                Reply::Refused(refuse)
            });
            answer(id, reply, cx);
        }
    }

    /// The document cannot be built: nobody gets an answer.
    pub(super) fn refuse_requests(&mut self, given: Requests, cx: &mut Cx<'_>) {
        let (_, waiting) = self.take_requests();
        for asked in given.into_iter().chain(waiting) {
            answer(asked.id, Reply::Refused(unreadable()), cx);
        }
    }

    /// Records and relays an update that was made for `user`. Nobody else holds it, so that it is
    /// told when it is durable.
    fn edited(
        &mut self,
        user: Option<&UserId>,
        update: CheckedUpdate,
        cx: &mut Cx<'_>,
    ) -> Result<Reply, Refuse> {
        if self.seen().verdict(&update.digest) == Verdict::NoOp {
            return Ok(unchanged(cx));
        }
        self.check_room_for(update.bytes.len(), cx)?;
        match self.shadow.verdict(&update.digest) {
            Verdict::Ready | Verdict::NoOp => {}
            Verdict::Pending => {
                let reason = "the update builds on others that are not here: send those too";
                return Err(Refuse::new("update_refused", reason));
            }
            Verdict::Refused(error) => {
                return Err(Refuse::new("update_refused", error.to_string()));
            }
        }
        let seq = cx.record(edited_record(&self.name, user, &update.bytes));
        let message = YjsMessage::Update(update.bytes.clone());
        let message = ServerMessage::Yjs(self.name.clone(), message);
        cx.send(To::All, message, Visibility::Durable);
        self.unstored += 1;
        self.unstored_bytes += update.bytes.len();
        self.append(seq, update, cx);
        Ok(Reply::Edited { seq, changed: true })
    }

    /// Records an update that brings an earlier state back. The one from `before` is kept, so that
    /// this can be undone.
    fn restored(
        &mut self,
        user: Option<&UserId>,
        before: &Bytes,
        update: CheckedUpdate,
        cx: &mut Cx<'_>,
    ) -> Result<Reply, Refuse> {
        let seq = cx.next_seq - 1;
        let reply = self.edited(user, update, cx)?;
        let occasion = Occasion {
            request: None,
            kind: VersionKind::Restore,
            label: String::new(),
            user: user.cloned(),
        };
        self.keep_version(occasion, seq, before, cx);
        Ok(reply)
    }

    /// The document as it is shown; `None` when nothing was ever written into it.
    pub(crate) fn show(&self) -> Option<PartShown> {
        (!self.is_blank()).then(|| PartShown {
            part: Part::Document(self.name.clone()),
            bytes: self.bytes(),
            updates: self.unstored,
            parked: self.parked.len(),
        })
    }
}

fn answer(id: RequestId, reply: Reply, cx: &mut Cx<'_>) {
    let visibility = match reply {
        Reply::Edited { .. } | Reply::Document(Answer::Whole(_)) => Visibility::Durable,
        _ => cx.visibility,
    };
    cx.effects.push(Effect::Reply(id, reply, visibility));
}

fn unchanged(cx: &Cx<'_>) -> Reply {
    Reply::Edited {
        seq: cx.next_seq - 1,
        changed: false,
    }
}

fn unreadable() -> Refuse {
    let reason = "the document holds what the engine cannot read; its peers get it as it is";
    Refuse::new("document_unreadable", reason)
}
