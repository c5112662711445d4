use std::collections::BTreeSet;

use greenroom_service::{Millis, RoomId};
use proptest::prelude::*;

use super::*;

const NOW: Millis = Millis(1_000);

fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

#[test]
fn two_who_arrive_together_meet_in_one_room() {
    let mut registry = Registry::new(2);
    let a = room("a");
    assert_eq!(
        registry.arrive(NOW, &a, Waiter(1)),
        [Action::Start(a.clone(), Instance(1))]
    );
    assert_eq!(registry.arrive(NOW, &a, Waiter(2)), []);
    let granted = registry.loaded(&a, Instance(1));
    assert_eq!(
        granted,
        [
            Action::Grant(Waiter(1), Instance(1)),
            Action::Grant(Waiter(2), Instance(1))
        ]
    );
    assert_eq!(
        registry.arrive(NOW, &a, Waiter(3)),
        [Action::Grant(Waiter(3), Instance(1))]
    );
}

#[test]
fn a_room_closes_only_without_references_and_with_an_empty_mailbox() {
    let mut registry = Registry::new(2);
    let a = room("a");
    registry.arrive(NOW, &a, Waiter(1));
    registry.loaded(&a, Instance(1));
    assert_eq!(
        registry.idle(&a, Instance(1), true),
        [],
        "a reference is held"
    );
    registry.release(&a, Instance(1));
    assert_eq!(registry.idle(&a, Instance(1), false), [], "an input waits");
    assert_eq!(
        registry.idle(&a, Instance(2), true),
        [],
        "another life of the room"
    );
    assert_eq!(
        registry.idle(&a, Instance(1), true),
        [Action::Drain(Instance(1))]
    );
}

#[test]
fn who_arrives_while_it_closes_gets_the_next_life() {
    let mut registry = Registry::new(2);
    let a = room("a");
    registry.arrive(NOW, &a, Waiter(1));
    registry.loaded(&a, Instance(1));
    registry.release(&a, Instance(1));
    registry.idle(&a, Instance(1), true);
    assert_eq!(registry.arrive(NOW, &a, Waiter(2)), []);
    let actions = registry.ended(NOW, &a, Instance(1), Ended::Drained);
    assert_eq!(actions, [Action::Start(a.clone(), Instance(2))]);
    assert_eq!(
        registry.loaded(&a, Instance(2)),
        [Action::Grant(Waiter(2), Instance(2))]
    );
}

#[test]
fn loads_are_limited_and_go_on_in_order() {
    let mut registry = Registry::new(1);
    let (a, b, c) = (room("a"), room("b"), room("c"));
    assert_eq!(registry.arrive(NOW, &a, Waiter(1)).len(), 1);
    assert_eq!(registry.arrive(NOW, &c, Waiter(2)), []);
    assert_eq!(registry.arrive(NOW, &b, Waiter(3)), []);
    let actions = registry.loaded(&a, Instance(1));
    let start_c = Action::Start(c.clone(), Instance(2));
    assert_eq!(actions, [Action::Grant(Waiter(1), Instance(1)), start_c]);
    let actions = registry.ended(NOW, &c, Instance(2), Ended::Failed);
    assert_eq!(
        actions,
        [
            Action::Refuse(Waiter(2), Refused::Unavailable),
            Action::Start(b, Instance(3))
        ]
    );
    assert_eq!(registry.loads(), 1);
}

#[test]
fn a_quarantined_room_is_closed_for_a_while() {
    let mut registry = Registry::new(1);
    let a = room("a");
    registry.arrive(NOW, &a, Waiter(1));
    registry.loaded(&a, Instance(1));
    assert_eq!(registry.ended(NOW, &a, Instance(1), Ended::Quarantined), []);
    let refused = [Action::Refuse(Waiter(2), Refused::Unavailable)];
    assert_eq!(registry.arrive(NOW, &a, Waiter(2)), refused);
    let later = NOW.plus(QUARANTINE_MS);
    assert_eq!(
        registry.arrive(later, &a, Waiter(3)),
        [Action::Start(a, Instance(2))]
    );
}

#[test]
fn a_stopping_node_lets_nobody_in() {
    let mut registry = Registry::new(1);
    let (a, b) = (room("a"), room("b"));
    registry.arrive(NOW, &a, Waiter(1));
    registry.arrive(NOW, &b, Waiter(2));
    let (running, actions) = registry.stop();
    assert_eq!(running, [(Instance(1), 0)]);
    assert_eq!(actions, [Action::Refuse(Waiter(2), Refused::Stopping)]);
    let refused = [Action::Refuse(Waiter(3), Refused::Stopping)];
    assert_eq!(registry.arrive(NOW, &a, Waiter(3)), refused);
    registry.ended(NOW, &a, Instance(1), Ended::Drained);
    assert_eq!(registry.running(), 0);
}

#[test]
fn quarantines_that_are_over_are_forgotten() {
    let mut registry = Registry::new(1);
    for n in 0..10 {
        let now = NOW.plus(n * QUARANTINE_MS);
        let room = room(&format!("room {n}"));
        registry.arrive(now, &room, Waiter(n));
        registry.ended(now, &room, Instance(n + 1), Ended::Quarantined);
    }
    assert_eq!(registry.entries.len(), 1);
}

/// What the world does with a registry of two rooms.
#[derive(Clone, Debug)]
enum Step {
    Arrive(usize),
    Loaded(usize),
    Release(usize),
    Idle(usize, bool),
    Ended(usize, Ended),
    Wait,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let ended = prop::sample::select(vec![
        Ended::Drained,
        Ended::Moved,
        Ended::Quarantined,
        Ended::Failed,
    ]);
    prop_oneof![
        8 => (0..3usize).prop_map(Step::Arrive),
        5 => (0..3usize).prop_map(Step::Loaded),
        5 => (0..3usize).prop_map(Step::Release),
        4 => (0..3usize, any::<bool>()).prop_map(|(r, empty)| Step::Idle(r, empty)),
        3 => (0..3usize, ended).prop_map(|(r, ended)| Step::Ended(r, ended)),
        1 => Just(Step::Wait),
        1 => Just(Step::Stop),
    ]
}

/// What a driver of the registry knows.
#[derive(Debug, Default)]
struct Driver {
    /// Per room the instance that runs, and whether it has said that it is live or was told to
    /// drain.
    running: [Option<Instance>; 3],
    live: BTreeSet<Instance>,
    draining: BTreeSet<Instance>,
    references: Vec<(usize, Instance)>,
    waiting: BTreeSet<u64>,
}

impl Driver {
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(room, instance) => {
                    let room: usize = room.as_str().parse().unwrap();
                    let before = self.running[room].replace(instance);
                    assert_eq!(before, None, "one life at a time");
                }
                Action::Grant(waiter, instance) => {
                    assert!(self.waiting.remove(&waiter.0), "answered once");
                    assert!(self.live.contains(&instance) && !self.draining.contains(&instance));
                    let room = self.running.iter().position(|r| *r == Some(instance));
                    self.references.push((room.unwrap(), instance));
                }
                Action::Refuse(waiter, _) => {
                    assert!(self.waiting.remove(&waiter.0), "answered once");
                }
                Action::Drain(instance) => {
                    let held = self.references.iter().any(|(_, i)| *i == instance);
                    assert!(!held, "nobody holds it");
                    self.draining.insert(instance);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_everybody_is_answered_once(
        steps in prop::collection::vec(step(), 1..80),
        loads_max in 1..3usize,
    ) {
        let mut registry = Registry::new(loads_max);
        let mut driver = Driver::default();
        let mut now = NOW;
        let names: Vec<_> = (0..3).map(|n| room(&n.to_string())).collect();
        for (n, step) in steps.into_iter().enumerate() {
            let actions = match step {
                Step::Arrive(r) => {
                    driver.waiting.insert(n as u64);
                    registry.arrive(now, &names[r], Waiter(n as u64))
                }
                Step::Loaded(r) => match driver.running[r] {
                    Some(instance) if driver.live.insert(instance) => {
                        registry.loaded(&names[r], instance)
                    }
                    _ => vec![],
                },
                Step::Release(r) => {
                    let at = driver.references.iter().position(|(room, _)| *room == r);
                    if let Some((_, instance)) = at.map(|at| driver.references.remove(at)) {
                        registry.release(&names[r], instance);
                    }
                    vec![]
                }
                Step::Idle(r, empty) => match driver.running[r] {
                    Some(instance) => registry.idle(&names[r], instance, empty),
                    None => vec![],
                },
                Step::Ended(r, ended) => match driver.running[r].take() {
                    Some(instance) => registry.ended(now, &names[r], instance, ended),
                    None => vec![],
                },
                Step::Wait => {
                    now = now.plus(QUARANTINE_MS);
                    vec![]
                }
                Step::Stop => {
                    let (running, actions) = registry.stop();
                    let known: BTreeSet<_> = driver.running.iter().flatten().copied().collect();
                    let running = running.into_iter().map(|(instance, _)| instance);
                    prop_assert_eq!(running.collect::<BTreeSet<_>>(), known);
                    actions
                }
            };
            driver.carry_out(actions);
            let loading = driver.running.iter().flatten().filter(|i| !driver.live.contains(i));
            prop_assert!(loading.count() <= loads_max);
            prop_assert_eq!(registry.running(), driver.running.iter().flatten().count());
        }
        // In the end every room ends, again and again, until nobody waits.
        for _ in 0..10 {
            for (r, name) in names.iter().enumerate() {
                if let Some(instance) = driver.running[r].take() {
                    driver.carry_out(registry.ended(now, name, instance, Ended::Failed));
                }
            }
        }
        prop_assert_eq!(driver.waiting, BTreeSet::new());
    }
}

#[test]
fn a_room_that_waits_for_somebody_outside_lets_others_load() {
    let mut registry = Registry::new(1);
    let (slow, other) = (RoomId::new("slow").unwrap(), RoomId::new("other").unwrap());
    let first = registry.arrive(Millis(0), &slow, Waiter(1));
    assert_eq!(first, [Action::Start(slow.clone(), Instance(1))]);
    assert_eq!(registry.arrive(Millis(0), &other, Waiter(2)), []);
    let next = registry.waits_outside(&slow, Instance(1));
    assert_eq!(next, [Action::Start(other.clone(), Instance(2))]);
    assert_eq!(registry.waits_outside(&slow, Instance(1)), [], "once");
    assert_eq!(registry.waits_outside(&slow, Instance(9)), []);
    assert_eq!(registry.loads(), 1);
    let live = registry.loaded(&slow, Instance(1));
    assert_eq!(live, [Action::Grant(Waiter(1), Instance(1))]);
    assert_eq!(registry.loads(), 1, "the other still does");
    let ended = registry.ended(Millis(0), &other, Instance(2), Ended::Failed);
    assert_eq!(ended, [Action::Refuse(Waiter(2), Refused::Unavailable)]);
    assert_eq!(registry.loads(), 0);
}
