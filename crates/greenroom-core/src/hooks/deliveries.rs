//! When which mark is worked off. Per room one at a time and in their order; a room whose receiver
//! fails waits longer each time, and gives up what has become too old.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use greenroom_service::{Millis, RoomId};

use super::mark::{Event, Mark};
use crate::limits::{HOOK_RETRY_MS_MAX, HOOK_RETRY_MS_MIN};

/// How fast the hooks of a room are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A change is told when the document has been left alone for so long,
    pub quiet_ms: u64,
    /// or so long after the first change that nobody was told of.
    pub wait_ms_max: u64,
    /// What could not be told for so long is given up.
    pub give_up_ms: u64,
}

/// A mark to be worked off now; answer by [`Deliveries::ended`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What to tell.
    pub mark: Mark,
    /// Until when a document that is still being changed is left alone.
    pub latest: Millis,
    /// How often it was tried before.
    pub tries: u32,
}

/// How working off a mark ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The receiver took it.
    Told,
    /// The receiver took it, and the document has changed since.
    ToldInPart,
    /// The document is still being changed: come again at this time.
    Later(Millis),
    /// The receiver did not take it, or could not be asked.
    Failed,
    /// There is nobody to tell it to any more, or nothing to tell.
    Moot,
}

/// A mark that leaves the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The item.
    pub id: u64,
    /// What it was about.
    pub mark: Mark,
    /// Why.
    pub why: Why,
}

/// Why a mark leaves the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The receiver took it.
    Told,
    /// An older mark of the queue is about the same.
    Double,
    /// There is nobody to tell it to any more.
    Moot,
    /// The receiver did not take it for too long.
    GivenUp,
    /// There are as many as there may be.
    Overflow,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    mark: Mark,
    pace: Pace,
    due: Millis,
    tries: u32,
}

impl Waiting {
    fn latest(&self) -> Millis {
        self.mark.at.plus(self.pace.wait_ms_max)
    }
}

/// The marks of one room, in their order.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// The item that is worked off.
    under_way: Option<u64>,
    /// How often the receiver failed in a row.
    failures: u32,
    retry_at: Millis,
}

impl Line {
    /// The place of the mark that is next, and when. An end is told after all before it, which then
    /// have nothing more to wait for.
    fn next(&self) -> Option<(usize, Millis)> {
        let is_end = |waiting: &&Waiting| matches!(waiting.mark.event, Event::Unloaded { .. });
        let end = self.waiting.iter().position(|waiting| is_end(&waiting));
        let (place, due) = match end {
            Some(_) => (0, self.waiting.front()?.mark.at),
            None => {
                let all = self.waiting.iter().enumerate();
                let dues = all.map(|(place, waiting)| (place, waiting.due));
                dues.min_by_key(|(_, due)| *due)?
            }
        };
        Some((place, due.max(self.retry_at)))
    }
}

/// The marks of the queue that were read, and when each is due.
#[derive(Debug)]
pub struct Deliveries {
    lines: BTreeMap<RoomId, Line>,
    /// The rooms that wait, by when they are due.
    agenda: BTreeSet<(Millis, RoomId)>,
    marks: usize,
    marks_max: usize,
    under_way: usize,
    under_way_max: usize,
    /// For jitter.
    random: u64,
}

impl Deliveries {
    /// Holds at most `marks_max` marks and works off `under_way_max` rooms at a time; all its
    /// randomness comes from `seed`.
    #[must_use]
    pub fn new(marks_max: usize, under_way_max: usize, seed: u64) -> Self {
        Self {
            lines: BTreeMap::new(),
            agenda: BTreeSet::new(),
            marks: 0,
            marks_max,
            under_way: 0,
            under_way_max,
            random: seed,
        }
    }

    /// How many marks wait or are worked off.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks == 0
    }

    /// The time of the oldest mark.
    #[must_use]
    pub fn oldest(&self) -> Option<Millis> {
        let fronts = self.lines.values().filter_map(|line| line.waiting.front());
        fronts.map(|waiting| waiting.mark.at).min()
    }

    /// An item of the queue was read, each once and in the order of their ids. Gives it back when it
    /// needs no place.
    pub fn queued(&mut self, id: u64, mark: Mark, pace: Pace) -> Option<Finished> {
        let finished = |mark, why| Some(Finished { id, mark, why });
        let line = self.lines.get(&mark.room);
        let about = |waiting: &Waiting| waiting.mark.event == mark.event;
        let is_change = matches!(mark.event, Event::Changed(_));
        if is_change && line.is_some_and(|line| line.waiting.iter().any(about)) {
            return finished(mark, Why::Double);
        }
        if self.marks >= self.marks_max {
            return finished(mark, Why::Overflow);
        }
        let due = match mark.event {
            Event::Changed(_) => mark.at.plus(pace.quiet_ms.min(pace.wait_ms_max)),
            Event::Unloaded { .. } => mark.at,
        };
        self.marks += 1;
        let room = mark.room.clone();
        self.strike(&room);
        let line = self.lines.entry(room.clone()).or_default();
        line.waiting.push_back(Waiting {
            id,
            mark,
            pace,
            due,
            tries: 0,
        });
        self.enter(&room);
        None
    }

    /// The next mark that is due, if one more may be worked off.
    pub fn poll(&mut self, now: Millis) -> Option<Begun> {
        if self.under_way >= self.under_way_max {
            return None;
        }
        let (due, _) = self.agenda.first()?;
        if *due > now {
            return None;
        }
        let (_, room) = self.agenda.pop_first()?;
        let line = self.lines.get_mut(&room)?;
        let (place, _) = line.next()?;
        let waiting = line.waiting.get_mut(place)?;
        line.under_way = Some(waiting.id);
        self.under_way += 1;
        let begun = Begun {
            mark: waiting.mark.clone(),
            latest: waiting.latest(),
            tries: waiting.tries,
        };
        waiting.tries = waiting.tries.saturating_add(1);
        Some(begun)
    }

    /// When [`poll`](Self::poll) has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        let first = self
            .agenda
            .first()
            .filter(|_| self.under_way < self.under_way_max);
        first.map(|(due, _)| *due)
    }

    /// What was begun for `room` has ended. Gives what leaves the queue by that.
    ///
    /// # Panics
    /// When nothing was begun for it.
    pub fn ended(&mut self, now: Millis, room: &RoomId, how: Ended) -> Option<Finished> {
        let jitter = self.draw();
        let line = self.lines.get_mut(room).expect("it was begun");
        let id = line.under_way.take().expect("it was begun");
        self.under_way -= 1;
        let place = line.waiting.iter().position(|waiting| waiting.id == id);
        let place = place.expect("what is worked off stays in its line");
        let waiting = &mut line.waiting[place];
        let why = match how {
            Ended::Told => Some(Why::Told),
            Ended::Moot => Some(Why::Moot),
            Ended::ToldInPart => {
                waiting.mark.at = now;
                waiting.tries = 0;
                waiting.due = now.plus(waiting.pace.quiet_ms.min(waiting.pace.wait_ms_max));
                None
            }
            Ended::Later(at) => {
                waiting.tries -= 1;
                waiting.due = at;
                None
            }
            Ended::Failed => {
                let is_old = now.since(waiting.mark.at) >= waiting.pace.give_up_ms;
                is_old.then_some(Why::GivenUp)
            }
        };
        match how {
            Ended::Failed => {
                line.retry_at = now.plus(retry_ms(line.failures, jitter));
                line.failures = line.failures.saturating_add(1);
            }
            Ended::Told | Ended::ToldInPart => line.failures = 0,
            Ended::Later(_) | Ended::Moot => {}
        }
        let finished = why.and_then(|why| {
            let Waiting { id, mark, .. } = line.waiting.remove(place)?;
            self.marks -= 1;
            Some(Finished { id, mark, why })
        });
        self.enter(room);
        finished
    }

    /// Takes a room off the agenda.
    fn strike(&mut self, room: &RoomId) {
        let next = self.lines.get(room).and_then(Line::next);
        if let Some((_, due)) = next {
            self.agenda.remove(&(due, room.clone()));
        }
    }

    /// Puts a room that waits on the agenda, and forgets one that has nothing more.
    fn enter(&mut self, room: &RoomId) {
        let Some(line) = self.lines.get(room) else {
            return;
        };
        match line.next() {
            _ if line.under_way.is_some() => {}
            Some((_, due)) => {
                self.agenda.insert((due, room.clone()));
            }
            None => {
                self.lines.remove(room);
            }
        }
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32
    }
}

/// Twice as long each time, and up to half as long again, so that those who failed together do not
/// come again together.
fn retry_ms(failures: u32, jitter: u64) -> u64 {
    let usual = HOOK_RETRY_MS_MIN << failures.min(20);
    let usual = usual.min(HOOK_RETRY_MS_MAX);
    usual + jitter % (usual / 2 + 1)
}
