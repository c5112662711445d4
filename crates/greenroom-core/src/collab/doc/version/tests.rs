use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::compare::{patch, unified};
use super::{VersionJob, open_version};
use crate::collab::doc::ask::Ask;
use crate::store::envelope::seal_snapshot;
use crate::store::{Version, VersionId, VersionKind, VersionMeta};
use bytes::Bytes;

fn version(data: Bytes) -> Version {
    let meta = VersionMeta {
        id: VersionId(7),
        seq: 3,
        kind: VersionKind::Named,
        label: String::new(),
        user: String::new(),
        expires: None,
        bytes: 2,
    };
    Version { meta, data }
}

#[test]
fn a_version_that_is_damaged_is_never_taken_for_whole() {
    let sealed = seal_snapshot(99, 3, &[0, 0, 0]);
    let opened = open_version(&version(sealed.clone())).expect("sound");
    assert_eq!(opened.state[..], [0, 0]);
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let refuse = open_version(&version(damaged.into())).expect_err("damaged");
        assert_eq!(refuse.code, "version_unreadable", "bit {bit}");
    }
    let of_another_seq = seal_snapshot(99, 4, &[0, 0, 0]);
    open_version(&version(of_another_seq)).expect_err("not its place");
    let nonsense = VersionJob::Show(Bytes::from_static(b"nonsense"), Ask::Json(None));
    let refuse = nonsense.run().expect_err("no update");
    assert_eq!(refuse.code, "version_unreadable");
}

#[test]
fn a_unified_diff_names_places_and_keeps_surroundings() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let check = |from: &str, to: &str, expected: &str| {
        let of = |text| BTreeMap::from([("r".to_owned(), lines(text))]);
        let found = unified(&of(from), &of(to));
        assert_eq!(found.replace('\n', "|"), expected, "{from} -> {to}");
    };
    check("a b c", "a b c", "");
    check(
        "a b c",
        "a x c",
        "--- a/r|+++ b/r|@@ -1,3 +1,3 @@| a|-b|+x| c|",
    );
    check(
        "1 2 3 4 5 6 7 8 9 0 a b c d",
        "1 2 3 4 5 6 X 7 8 9 0 a b d",
        "--- a/r|+++ b/r|@@ -4,11 +4,11 @@| 4| 5| 6|+X| 7| 8| 9| 0| a| b|-c| d|",
    );
    check(
        "1 2 3 4 5 6 7 8 9 0 a b c d",
        "2 3 4 5 6 7 8 9 0 a b c d e",
        "--- a/r|+++ b/r|@@ -1,4 +1,3 @@|-1| 2| 3| 4|@@ -12,3 +11,4 @@| b| c| d|+e|",
    );
    let nothing = BTreeMap::new();
    let of = BTreeMap::from([("r".to_owned(), lines("a"))]);
    assert_eq!(
        unified(&nothing, &of),
        "--- a/r\n+++ b/r\n@@ -0,0 +1 @@\n+a\n"
    );
}

/// Carries out a JSON Patch of the three operations that are made here.
fn carry_out(value: &mut Value, patch: &[Value]) {
    for operation in patch {
        let path = operation["path"].as_str().expect("a path");
        let Some((parent, last)) = path.rsplit_once('/') else {
            *value = operation["value"].clone();
            continue;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        let new = operation.get("value").cloned();
        match (
            value.pointer_mut(parent).expect("there"),
            operation["op"].as_str(),
        ) {
            (Value::Object(object), Some("remove")) => {
                object.remove(&last).expect("there");
            }
            (Value::Object(object), _) => {
                object.insert(last, new.expect("a value"));
            }
            (Value::Array(items), op) => {
                let at: usize = last.parse().expect("a number");
                match op {
                    Some("add") => items.insert(at, new.expect("a value")),
                    Some("remove") => drop(items.remove(at)),
                    _ => items[at] = new.expect("a value"),
                }
            }
            (other, op) => panic!("{op:?} in {other}"),
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        (0..3_i32).prop_map(|n| json!(n)),
        "[ab/~]{0,2}".prop_map(|text| json!(text)),
    ];
    plain.prop_recursive(3, 24, 5, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array);
        let keys = prop::collection::btree_map("[ab/~]{1,2}", inner, 0..4);
        prop_oneof![
            items,
            keys.prop_map(|all| Value::Object(all.into_iter().collect::<Map<_, _>>()))
        ]
    })
}

proptest! {
    #[test]
    fn a_patch_makes_of_the_one_the_other(from in values(), to in values()) {
        let patch = patch(&from, &to);
        prop_assert_eq!(patch.is_empty(), from == to);
        let mut value = from;
        carry_out(&mut value, &patch);
        prop_assert_eq!(value, to);
    }
}
