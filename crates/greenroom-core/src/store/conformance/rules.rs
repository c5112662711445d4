//! One case per rule of the contract.

mod versions;

use super::*;
pub(super) use versions::version;

/// A case of the suite.
type Rule = fn(&mut Kit);

/// Every case.
pub(super) const ALL: &[Rule] = &[
    a_room_that_was_never_written_leaves_nothing,
    rows_come_back_in_order_and_unchanged,
    reads_are_cut_by_bytes_but_give_a_row,
    appends_need_the_lease_and_the_head,
    a_row_without_records_is_refused,
    a_failing_room_fails_no_other_of_its_batch,
    requests_of_a_batch_see_each_other,
    one_node_holds_a_room,
    epochs_rise_with_owners_and_openings,
    renew_gives_what_is_held,
    an_answered_append_survives,
    meta_follows_appends,
    two_generations_of_each_part_are_kept,
    snapshots_are_fenced_and_not_beyond_the_head,
    trim_drops_whole_rows_and_keeps_the_head,
    list_pages_and_filters,
    due_is_in_order,
    a_deleted_room_is_another_one,
    the_queue_goes_with_its_append,
    versions::are_kept_and_listed,
    versions::are_fenced_and_not_beyond_the_head,
    versions::give_way_to_newer_ones,
    versions::go_with_their_room_or_when_they_expire,
];

fn a_room_that_was_never_written_leaves_nothing(kit: &mut Kit) {
    let acquired = kit.acquire("a", NODE);
    assert_eq!((acquired.head, &acquired.meta), (0, &None));
    assert_eq!(kit.acquire("a", NODE), acquired, "the same owner, again");
    kit.done(trim("a", acquired.lease, 5));
    assert_eq!(kit.read("a", 0, usize::MAX), (vec![], false));
    assert_eq!(kit.snapshots("a"), vec![]);
    kit.release("a", acquired.lease);
    assert_eq!(kit.list(everything()), vec![]);
    kit.delete("a");
    kit.0.reopen();
    assert_eq!(kit.list(everything()), vec![]);
    assert_eq!(kit.acquire("a", NODE).head, 0);
}

fn rows_come_back_in_order_and_unchanged(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let datas: Vec<Bytes> = vec![
        Bytes::from_static(b""),
        Bytes::from_iter(0..=255),
        Bytes::from(vec![0xa5; 100_000]),
    ];
    let mut expected = Vec::new();
    let mut first_seq = 1;
    for (data, count) in datas.into_iter().zip([1, 3, 5]) {
        kit.done(StoreRequest::Append(Append {
            first_seq,
            count,
            data: data.clone(),
            ..plain("a", lease, 1)
        }));
        expected.push(Row { first_seq, data });
        first_seq += count;
    }
    for _ in 0..2 {
        assert_eq!(kit.read("a", 0, usize::MAX), (expected.clone(), false));
        // Seq 3 lies within the second row, 9 is the last, 10 is not there.
        assert_eq!(kit.read("a", 3, usize::MAX).0, expected[1..]);
        assert_eq!(kit.read("a", 9, usize::MAX).0, expected[2..]);
        assert_eq!(kit.read("a", 10, usize::MAX), (vec![], false));
        kit.0.reopen();
    }
}

fn reads_are_cut_by_bytes_but_give_a_row(kit: &mut Kit) {
    kit.filled("a", 5);
    let length = row_data("a", 1).len();
    let mut cut = |from, bytes| {
        let (rows, more) = kit.read("a", from, bytes);
        (rows.iter().map(|r| r.first_seq).collect::<Vec<_>>(), more)
    };
    assert_eq!(cut(0, 0), (vec![1], true));
    assert_eq!(cut(0, length), (vec![1], true));
    assert_eq!(cut(2, length * 3), (vec![2, 3, 4], true));
    assert_eq!(cut(2, length * 4), (vec![2, 3, 4, 5], false));
    assert_eq!(cut(5, 0), (vec![5], false));
}

fn appends_need_the_lease_and_the_head(kit: &mut Kit) {
    let lease = kit.filled("a", 2);
    let others = [
        Lease {
            epoch: lease.epoch + 1,
            ..lease
        },
        Lease {
            epoch: lease.epoch.wrapping_sub(1),
            ..lease
        },
        Lease {
            incarnation: !lease.incarnation,
            ..lease
        },
    ];
    for other in others {
        assert_eq!(kit.one(append("a", other, 3)), FENCED);
    }
    for seq in [0, 1, 2, 4, u64::MAX] {
        let data = row_data("a", 9);
        let request = StoreRequest::Append(Append {
            first_seq: seq,
            data,
            ..plain("a", lease, 1)
        });
        assert_eq!(kit.one(request), FENCED, "seq {seq}");
    }
    kit.release("a", lease);
    assert_eq!(kit.one(append("a", lease, 3)), FENCED, "after its release");
    assert_eq!(kit.one(append("never", lease, 1)), FENCED, "never acquired");
    assert_eq!(kit.seqs("a"), [1, 2]);
}

fn a_row_without_records_is_refused(kit: &mut Kit) {
    let lease = kit.filled("a", 1);
    for count in [0, u64::MAX] {
        let request = StoreRequest::Append(Append {
            count,
            ..plain("a", lease, 2)
        });
        let reply = kit.one(request);
        assert!(
            matches!(reply, StoreReply::Failed(StoreError::Io(_))),
            "{reply:?}"
        );
    }
    assert_eq!(kit.seqs("a"), [1]);
}

fn a_failing_room_fails_no_other_of_its_batch(kit: &mut Kit) {
    let a = kit.acquire("a", NODE).lease;
    let b = kit.acquire("b", NODE).lease;
    let c = kit.acquire("c", NODE).lease;
    let fenced_with_more = StoreRequest::Append(Append {
        meta: MetaChange {
            kind: Some("collab".into()),
            ..MetaChange::default()
        },
        next_wake: Some(Millis(1)),
        queue: vec![Bytes::from_static(b"never")],
        urgent: true,
        wait_ms: 0,
        ..plain("b", b, 7)
    });
    let replies = kit.0.handle_batch(vec![
        append("a", a, 1),
        fenced_with_more,
        append("c", c, 1),
        append("a", a, 2),
        append("c", a, 2),
        append("b", b, 1),
    ]);
    let done = StoreReply::Done;
    assert_eq!(
        replies,
        [
            done.clone(),
            FENCED,
            done.clone(),
            done.clone(),
            FENCED,
            done
        ]
    );
    kit.0.crash();
    assert_eq!(kit.seqs("a"), [1, 2]);
    assert_eq!(kit.seqs("b"), [1]);
    assert_eq!(kit.seqs("c"), [1]);
    assert_eq!(kit.queue(10), vec![]);
    assert_eq!(kit.due(u64::MAX, 10), vec![]);
}

fn requests_of_a_batch_see_each_other(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let read = || StoreRequest::Read {
        room: room("a"),
        from_seq: 0,
        bytes_max: usize::MAX,
    };
    let replies = kit.0.handle_batch(vec![
        read(),
        append("a", lease, 1),
        read(),
        StoreRequest::Delete { room: room("a") },
        read(),
        append("a", lease, 2),
    ]);
    let rows = |seqs: &[u64]| StoreReply::Rows {
        rows: seqs
            .iter()
            .map(|seq| Row {
                first_seq: *seq,
                data: row_data("a", *seq),
            })
            .collect(),
        more: false,
    };
    assert_eq!(replies[0], rows(&[]));
    assert_eq!(replies[2], rows(&[1]));
    assert_eq!(replies[4], rows(&[]));
    assert_eq!(replies[5], FENCED);
}

fn one_node_holds_a_room(kit: &mut Kit) {
    let lease = kit.filled("a", 1);
    let held = StoreReply::Failed(StoreError::Held(NODE));
    assert_eq!(kit.try_acquire("a", OTHER_NODE), held);
    let stranger = Lease {
        epoch: lease.epoch + 1,
        ..lease
    };
    kit.release("a", stranger);
    assert_eq!(kit.try_acquire("a", OTHER_NODE), held);
    kit.release("a", lease);
    let next = kit.acquire("a", OTHER_NODE);
    assert_eq!(next.head, 1);
    assert_eq!(kit.one(append("a", lease, 2)), FENCED, "the owner before");
    kit.done(append("a", next.lease, 2));
}

fn epochs_rise_with_owners_and_openings(kit: &mut Kit) {
    let first = kit.filled("a", 1);
    let mut last = first;
    let mut next = |kit: &mut Kit, node| {
        let lease = kit.acquire("a", node).lease;
        assert_eq!(lease.incarnation, last.incarnation);
        assert!(lease.epoch > last.epoch);
        last = lease;
        lease
    };
    kit.release("a", first);
    let lease = next(kit, OTHER_NODE);
    kit.release("a", lease);
    let lease = next(kit, NODE);
    kit.0.reopen();
    assert_eq!(kit.one(append("a", lease, 2)), FENCED, "after reopening");
    let lease = next(kit, NODE);
    kit.0.crash();
    assert_eq!(kit.one(append("a", lease, 2)), FENCED, "after a crash");
    next(kit, NODE);
}

fn renew_gives_what_is_held(kit: &mut Kit) {
    let a = kit.filled("a", 1);
    let b = kit.acquire("b", NODE).lease;
    let c = kit.acquire("c", NODE).lease;
    kit.release("c", c);
    let older = Lease {
        epoch: b.epoch.wrapping_sub(1),
        ..b
    };
    let rooms = vec![
        (room("a"), a),
        (room("b"), older),
        (room("b"), b),
        (room("c"), c),
        (room("d"), a),
    ];
    let renew = |node| StoreRequest::Renew {
        node,
        rooms: rooms.clone(),
    };
    let held = StoreReply::Renewed(vec![room("a"), room("b")]);
    assert_eq!(kit.one(renew(NODE)), held);
    assert_eq!(kit.one(renew(OTHER_NODE)), StoreReply::Renewed(vec![]));
    kit.0.reopen();
    assert_eq!(kit.one(renew(NODE)), StoreReply::Renewed(vec![]));
}

fn an_answered_append_survives(kit: &mut Kit) {
    let mut lease = kit.acquire("a", NODE).lease;
    for seq in 1..=20 {
        kit.done(append("a", lease, seq));
        kit.0.crash();
        let acquired = kit.acquire("a", NODE);
        assert_eq!(acquired.head, seq);
        lease = acquired.lease;
    }
    let (rows, _) = kit.read("a", 0, usize::MAX);
    for (row, seq) in rows.iter().zip(1..) {
        assert_eq!((row.first_seq, &row.data), (seq, &row_data("a", seq)));
    }
    assert_eq!(rows.len(), 20);
}

fn meta_follows_appends(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let set = |seq, count, next_wake, meta| {
        StoreRequest::Append(Append {
            count,
            next_wake,
            meta,
            ..plain("a", lease, seq)
        })
    };
    let with = |now, metadata: Option<&'static str>| MetaChange {
        kind: None,
        now: Millis(now),
        metadata: metadata.map(Bytes::from),
        accesses: None,
    };
    kit.done(set(
        1,
        2,
        Some(Millis(50)),
        MetaChange {
            kind: Some("collab".into()),
            accesses: Some(Bytes::from_static(b"[1]")),
            ..with(10, Some("{}"))
        },
    ));
    let mut expected = RoomMeta {
        room: room("a"),
        kind: "collab".into(),
        created: Millis(10),
        changed: Millis(10),
        head: 2,
        metadata: Bytes::from_static(b"{}"),
        accesses: Bytes::from_static(b"[1]"),
        next_wake: Some(Millis(50)),
    };
    assert_eq!(kit.list(everything()), vec![expected.clone()]);
    kit.done(set(3, 1, Some(Millis(60)), with(20, None)));
    expected.changed = Millis(20);
    expected.head = 3;
    expected.next_wake = Some(Millis(60));
    assert_eq!(kit.acquire("a", NODE).meta, Some(expected.clone()));
    kit.done(set(4, 1, None, with(30, Some("{\"x\":1}"))));
    expected.changed = Millis(30);
    expected.head = 4;
    expected.next_wake = None;
    expected.metadata = Bytes::from_static(b"{\"x\":1}");
    kit.0.crash();
    assert_eq!(kit.list(everything()), vec![expected.clone()]);
    assert_eq!(kit.acquire("a", NODE).meta, Some(expected));
}

fn two_generations_of_each_part_are_kept(kit: &mut Kit) {
    let lease = kit.filled("a", 9);
    let document = || Part::Document(String::new());
    let named = || Part::Document("a:b".into());
    for seq in [2, 4, 6] {
        kit.done(put_snapshot("a", lease, Part::Service, seq));
    }
    // A late one takes its place in the order, one older than both is dropped.
    for seq in [9, 5, 7, 1] {
        kit.done(put_snapshot("a", lease, document(), seq));
    }
    kit.done(put_snapshot("a", lease, named(), 3));
    let kept = |kit: &mut Kit| -> Vec<(Part, u64)> {
        let all = kit.snapshots("a").into_iter();
        all.map(|snapshot| {
            let text = format!("{} after {}", snapshot.part.name(), snapshot.seq);
            assert_eq!(snapshot.data, text);
            (snapshot.part, snapshot.seq)
        })
        .collect()
    };
    let expected = [
        (Part::Service, 6),
        (Part::Service, 4),
        (document(), 9),
        (document(), 7),
        (named(), 3),
    ];
    assert_eq!(kept(kit), expected);
    kit.0.crash();
    assert_eq!(kept(kit), expected);
    let lease = kit.acquire("a", NODE).lease;
    let replaced = Snapshot {
        part: named(),
        seq: 3,
        data: Bytes::from_static(b"again"),
    };
    kit.done(StoreRequest::PutSnapshot {
        room: room("a"),
        lease,
        snapshot: replaced.clone(),
    });
    assert_eq!(kit.snapshots("a").last(), Some(&replaced));
}

fn snapshots_are_fenced_and_not_beyond_the_head(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let put = |lease, seq| put_snapshot("a", lease, Part::Service, seq);
    assert_eq!(kit.one(put(lease, 0)), FENCED, "never written");
    kit.done(append("a", lease, 1));
    assert_eq!(kit.one(put(lease, 2)), FENCED, "beyond the head");
    let stranger = Lease {
        epoch: lease.epoch + 1,
        ..lease
    };
    assert_eq!(kit.one(put(stranger, 1)), FENCED);
    assert_eq!(kit.one(trim("a", stranger, 1)), FENCED);
    kit.done(put(lease, 1));
    kit.release("a", lease);
    assert_eq!(kit.one(put(lease, 1)), FENCED);
    assert_eq!(kit.one(trim("a", lease, 1)), FENCED);
}

fn trim_drops_whole_rows_and_keeps_the_head(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    for first_seq in [1, 4, 7] {
        kit.done(StoreRequest::Append(Append {
            count: 3,
            ..plain("a", lease, first_seq)
        }));
    }
    kit.done(trim("a", lease, 6));
    assert_eq!(kit.seqs("a"), [4, 7], "seq 6 stays, and so does its row");
    kit.done(trim("a", lease, 2));
    assert_eq!(kit.seqs("a"), [4, 7]);
    kit.0.crash();
    assert_eq!(kit.seqs("a"), [4, 7]);
    let lease = kit.acquire("a", NODE).lease;
    kit.done(trim("a", lease, u64::MAX));
    assert_eq!(kit.seqs("a"), Vec::<u64>::new());
    kit.done(append("a", lease, 10));
    kit.done(trim("a", lease, 11));
    kit.0.reopen();
    let acquired = kit.acquire("a", NODE);
    assert_eq!(acquired.head, 10);
    assert_eq!(acquired.meta.map(|meta| meta.changed), Some(Millis(1_010)));
    kit.done(append("a", acquired.lease, 11));
    assert_eq!(kit.seqs("a"), [11]);
}

fn list_pages_and_filters(kit: &mut Kit) {
    let names = ["B", "a", "a/1", "a/2", "a/é", "a0", "z"];
    for name in names.iter().rev() {
        let lease = kit.acquire(name, NODE).lease;
        let kind = if name.len() % 2 == 1 { "odd" } else { "even" };
        kit.done(StoreRequest::Append(Append {
            meta: MetaChange {
                kind: Some(kind.into()),
                ..MetaChange::default()
            },
            ..plain(name, lease, 1)
        }));
    }
    let mut listed = |prefix: &str, kind: Option<&str>, after: Option<&str>, limit| {
        let rooms = kit.list(ListFilter {
            prefix: prefix.into(),
            kind: kind.map(Into::into),
            after: after.map(room),
            limit,
        });
        let names: Vec<_> = rooms.iter().map(|meta| meta.room.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(listed("", None, None, 99), "B a a/1 a/2 a/é a0 z");
    assert_eq!(listed("a", None, None, 99), "a a/1 a/2 a/é a0");
    assert_eq!(listed("a/", None, None, 99), "a/1 a/2 a/é");
    assert_eq!(listed("a/", None, None, 2), "a/1 a/2");
    assert_eq!(listed("a/", None, Some("a/2"), 2), "a/é");
    assert_eq!(listed("a/", None, Some("0"), 1), "a/1");
    assert_eq!(listed("", Some("odd"), None, 99), "B a a/1 a/2 z");
    assert_eq!(listed("a", Some("even"), None, 1), "a/é");
    assert_eq!(listed("a", Some("even"), Some("a/é"), 9), "a0");
    assert_eq!(listed("", Some("other"), None, 99), "");
    assert_eq!(listed("%", None, None, 99), "");
    assert_eq!(listed("", None, None, 0), "");
    assert_eq!(listed("", None, Some("z"), 99), "");
}

fn due_is_in_order(kit: &mut Kit) {
    let wakes = [("d", 30), ("c", 10), ("b", 20), ("a", 20)];
    for (name, wake) in wakes {
        let lease = kit.acquire(name, NODE).lease;
        kit.done(StoreRequest::Append(Append {
            next_wake: Some(Millis(wake)),
            ..plain(name, lease, 1)
        }));
    }
    kit.filled("never", 1);
    let named = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
        all.iter().map(|(n, w)| ((*n).to_owned(), *w)).collect()
    };
    assert_eq!(kit.due(9, 9), named(&[]));
    assert_eq!(kit.due(20, 9), named(&[("c", 10), ("a", 20), ("b", 20)]));
    assert_eq!(kit.due(u64::MAX, 2), named(&[("c", 10), ("a", 20)]));
    let lease = kit.acquire("c", NODE).lease;
    kit.done(append("c", lease, 2));
    kit.delete("a");
    kit.0.crash();
    assert_eq!(kit.due(u64::MAX, 9), named(&[("b", 20), ("d", 30)]));
}

fn a_deleted_room_is_another_one(kit: &mut Kit) {
    let zombie = kit.filled("a", 3);
    kit.filled("b", 1);
    kit.done(put_snapshot("a", zombie, Part::Service, 2));
    kit.delete("a");
    assert_eq!(kit.one(append("a", zombie, 4)), FENCED);
    assert_eq!(kit.one(append("a", zombie, 1)), FENCED);
    assert_eq!(kit.list(everything()).len(), 1);
    let acquired = kit.acquire("a", NODE);
    assert_ne!(acquired.lease.incarnation, zombie.incarnation);
    assert_eq!((acquired.head, acquired.meta), (0, None));
    assert_eq!(kit.one(append("a", zombie, 1)), FENCED);
    kit.done(append("a", acquired.lease, 1));
    assert_eq!(kit.snapshots("a"), vec![]);
    for _ in 0..2 {
        assert_eq!(kit.seqs("a"), [1]);
        kit.0.crash();
    }
    let again = kit.acquire("a", NODE);
    assert_eq!(again.lease.incarnation, acquired.lease.incarnation);
    kit.delete("a");
    kit.0.crash();
    assert_eq!(kit.seqs("a"), Vec::<u64>::new());
    assert_eq!(kit.seqs("b"), [1]);
}

fn the_queue_goes_with_its_append(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let items = |words: &[&'static str]| -> Vec<Bytes> {
        words.iter().map(|word| Bytes::from(*word)).collect()
    };
    let with = |seq, words: &[&'static str]| {
        StoreRequest::Append(Append {
            queue: items(words),
            ..plain("a", lease, seq)
        })
    };
    let replies = kit.0.handle_batch(vec![
        with(1, &["one", "two"]),
        with(9, &["never"]),
        with(2, &["three"]),
    ]);
    assert_eq!(replies, [StoreReply::Done, FENCED, StoreReply::Done]);
    kit.0.crash();
    let queued = kit.queue(9);
    let texts: Vec<_> = queued.iter().map(|(_, item)| item.clone()).collect();
    assert_eq!(texts, items(&["one", "two", "three"]));
    assert!(queued.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(kit.queue(1), queued[..1]);
    assert_eq!(kit.queue_after(queued[0].0, 1), queued[1..2]);
    assert_eq!(kit.queue_after(queued[2].0, 9), []);
    kit.done(StoreRequest::QueueDone {
        ids: vec![queued[0].0, queued[2].0, u64::MAX],
    });
    kit.delete("a");
    kit.0.crash();
    assert_eq!(kit.queue(9), queued[1..2], "it outlives its room");
    let lease = kit.acquire("a", NODE).lease;
    kit.done(StoreRequest::Append(Append {
        queue: items(&["four"]),
        ..plain("a", lease, 1)
    }));
    let newest = kit.queue(9).last().map(|(id, _)| *id);
    assert!(newest > Some(queued[2].0), "ids are not used again");
    let items = items(&["five", "six"]);
    kit.done(StoreRequest::Enqueue {
        items: items.clone(),
    });
    kit.0.crash();
    let alone = kit.queue_after(newest.unwrap_or_default(), 9);
    let texts: Vec<_> = alone.into_iter().map(|(_, item)| item).collect();
    assert_eq!(texts, items, "without an append");
}
