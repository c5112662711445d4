//! What a driver does for its room: hands it what waits, carries out what it wants.

use greenroom_service::SessionId;

use super::{Peer, TestRoom};
use crate::close_reason::CloseReason;
use crate::room::{Input, Output, Taken};

/// What is written to a peer at a time, in bytes.
const WRITE_BYTES: usize = 64 << 10;

impl TestRoom {
    pub(super) fn peer(&mut self, peer: SessionId) -> &mut Peer {
        self.peers.get_mut(&peer).expect("a peer that joined")
    }

    pub(super) fn mail(&mut self, input: Input) {
        self.mailbox.push_back(input);
        self.settle();
    }

    /// Does what the room wants done until it wants nothing more.
    pub(super) fn settle(&mut self) {
        while let Some(room) = &mut self.room {
            if let Some(output) = room.poll_output() {
                self.carry_out(output);
            } else if room.accepts()
                && let Some(input) = self.mailbox.pop_front()
            {
                room.handle_input(self.now, input);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(peer),
            Output::TurnedAway(peer, reason) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.closed = Some(reason);
                }
            }
            Output::Store(task, request) => {
                self.held_requests.push_back((task, request));
                if !self.holds_store {
                    self.answer_store();
                }
            }
            Output::Compute(id, job) => {
                self.held_jobs.push_back((id, job));
                if !self.holds_jobs {
                    self.run_job();
                }
            }
            Output::Reply(id, reply) => self.replies.push((id, reply)),
            Output::Seen(seen) => self.seen.push(seen),
            // Its store lets nothing wait but what a test holds.
            Output::HurryStore => {}
            Output::Task(id, spec) => self.tasks.push((id, spec)),
            Output::FirstContent => self.first_contents_asked += 1,
            Output::Idle => self.is_idle = true,
            Output::Note(note) => self.notes.push(note),
            Output::Stopped(why) => {
                self.stopped = Some(why);
                self.room = None;
                for unread in std::mem::take(&mut self.mailbox) {
                    if let Input::Join(peer, _) = unread
                        && let Some(peer) = self.peers.get_mut(&peer)
                    {
                        peer.closed = Some(CloseReason::Shutdown);
                    }
                }
                for peer in self.peers.values_mut() {
                    peer.closed.get_or_insert(CloseReason::RoomFault);
                }
            }
        }
    }

    /// Writes what waits for the peer, when it reads.
    pub(super) fn flush(&mut self, id: SessionId) {
        let (Some(room), Some(peer)) = (&mut self.room, self.peers.get_mut(&id)) else {
            return;
        };
        while peer.reads && peer.closed.is_none() {
            match room.take_frames(id, WRITE_BYTES, &mut peer.inbox) {
                Taken::All => return,
                Taken::More => {}
                Taken::Close(reason) => {
                    peer.closed = Some(reason);
                    self.mailbox.push_back(Input::Leave(id));
                    return;
                }
            }
        }
    }

    /// The edge closes the peer, and tells the room.
    pub(super) fn closed_by(&mut self, peer: SessionId, reason: CloseReason) {
        if self.peer(peer).closed.replace(reason).is_none() {
            self.mail(Input::Leave(peer));
        }
    }
}
