use greenroom_service::{Millis, RoomId};

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
    assert_eq!(running, [Instance(1)]);
    assert_eq!(actions, [Action::Refuse(Waiter(2), Refused::Stopping)]);
    let refused = [Action::Refuse(Waiter(3), Refused::Stopping)];
    assert_eq!(registry.arrive(NOW, &a, Waiter(3)), refused);
    registry.ended(NOW, &a, Instance(1), Ended::Drained);
    assert_eq!(registry.running(), 0);
}
