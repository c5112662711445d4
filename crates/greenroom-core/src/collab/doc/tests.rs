//! Editors that are real documents of the engine, and what they send.

use proptest::prelude::*;
use yrs::types::Attrs;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Array, ArrayPrelim, ArrayRef, ClientID, Doc, GetString, Map, MapPrelim, MapRef,
    OffsetKind, Options, Out, ReadTxn, Text, TextPrelim, Transact, TransactionMut, Update,
    WriteTxn, Xml, XmlElementPrelim, XmlFragment, XmlOut, XmlTextPrelim,
};

/// A document of the engine with nothing left to chance.
pub(super) fn document(client: u64) -> Doc {
    Doc::with_options(Options {
        client_id: ClientID::new(client),
        guid: "00000000-0000-0000-0000-000000000000".into(),
        offset_kind: OffsetKind::Utf16,
        skip_gc: false,
        cleanup_formatting: false,
        ..Options::default()
    })
}

/// Applies an update (v1). Nothing where the engine fails.
pub(super) fn apply(doc: &Doc, update: &[u8]) -> Option<()> {
    let update = Update::decode_v1(update).ok()?;
    doc.transact_mut().apply_update(update).ok()
}

/// One thing that an editor does. The numbers choose places, and are taken modulo what is there.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Insert(u32, String),
    Delete(u32, u32),
    Rich(u32, u8),
    Push(u32, u8),
    Remove(u32),
    Set(u8, u8),
    Xml(u32, u8),
}

/// One step of a session of several editors.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An editor edits; its update is sent.
    Edit(usize, Edit),
    /// An editor learns all that another one knows.
    Meet(usize, usize),
    /// An editor sends all that it has, or what it has since its n-th own update.
    SendState(usize, usize),
}

/// Client ids of very different lengths, in no order.
const CLIENTS: [u64; 3] = [7, 3_000_000_001, 300];

fn chars() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['a', 'é', '漢', '😀', ' ']), 1..5)
        .prop_map(|chars| chars.into_iter().collect())
}

/// Edits of one plain text.
pub(super) fn text_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (any::<u32>(), chars()).prop_map(|(at, text)| Edit::Insert(at, text)),
        2 => (any::<u32>(), 1u32..5).prop_map(|(at, len)| Edit::Delete(at, len)),
    ]
}

/// Edits of everything that a document can hold.
pub(super) fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        2 => text_edit(),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, kind)| Edit::Rich(at, kind)),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, kind)| Edit::Push(at, kind)),
        1 => any::<u32>().prop_map(Edit::Remove),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(key, kind)| Edit::Set(key, kind)),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, kind)| Edit::Xml(at, kind)),
    ]
}

/// A session of several editors.
pub(super) fn session(
    edit: impl Strategy<Value = Edit> + 'static,
) -> impl Strategy<Value = Vec<Step>> {
    let who = 0..CLIENTS.len();
    let step = prop_oneof![
        6 => (who.clone(), edit).prop_map(|(who, edit)| Step::Edit(who, edit)),
        2 => (who.clone(), who.clone()).prop_map(|(who, whom)| Step::Meet(who, whom)),
        1 => (who, 0usize..8).prop_map(|(who, since)| Step::SendState(who, since)),
    ];
    prop::collection::vec(step, 1..40)
}

/// Plays a session; returns the updates in the order in which they were sent.
pub(super) fn play(steps: &[Step]) -> Vec<Vec<u8>> {
    let editors: Vec<_> = CLIENTS.iter().map(|client| document(*client)).collect();
    let mut vectors = vec![vec![yrs::StateVector::default()]; editors.len()];
    let mut updates = Vec::new();
    for step in steps {
        match step {
            Step::Edit(who, edit) => {
                let mut txn = editors[*who].transact_mut();
                make(&mut txn, edit);
                updates.push(txn.encode_update_v1());
                vectors[*who].push(txn.state_vector());
            }
            Step::Meet(who, whom) if who != whom => {
                let known = editors[*who].transact().state_vector();
                let news = editors[*whom].transact().encode_diff_v1(&known);
                apply(&editors[*who], &news).expect("honest updates apply");
            }
            Step::Meet(..) => {}
            Step::SendState(who, since) => {
                let since = &vectors[*who][since % vectors[*who].len()];
                updates.push(editors[*who].transact().encode_diff_v1(since));
            }
        }
    }
    updates
}

fn make(txn: &mut TransactionMut, edit: &Edit) {
    match edit {
        Edit::Insert(at, text) => {
            let root = txn.get_or_insert_text("text");
            let places = places(&root.get_string(txn));
            root.insert(txn, places[*at as usize % places.len()], text);
        }
        Edit::Delete(at, len) => {
            let root = txn.get_or_insert_text("text");
            let places = places(&root.get_string(txn));
            let from = *at as usize % places.len();
            let to = (from + *len as usize).min(places.len() - 1);
            if from < to {
                root.remove_range(txn, places[from], places[to] - places[from]);
            }
        }
        Edit::Rich(at, kind) => rich(txn, *at, *kind),
        Edit::Push(at, kind) => {
            let root = txn.get_or_insert_array("list");
            push(txn, &root, *at, *kind);
        }
        Edit::Remove(at) => {
            let root = txn.get_or_insert_array("list");
            if root.len(txn) > 0 {
                root.remove(txn, at % root.len(txn));
            }
        }
        Edit::Set(key, kind) => {
            let root = txn.get_or_insert_map("map");
            set(txn, &root, *key, *kind);
        }
        Edit::Xml(at, kind) => xml(txn, *at, *kind),
    }
}

/// Where text may be cut without splitting a character, in UTF-16 code units.
fn places(text: &str) -> Vec<u32> {
    let mut at = 0;
    let after = text.chars().map(|c| {
        at += c.len_utf16() as u32;
        at
    });
    std::iter::once(0).chain(after).collect()
}

fn rich(txn: &mut TransactionMut, at: u32, kind: u8) {
    let root = txn.get_or_insert_text("rich");
    let len = root.len(txn);
    let at = at % (len + 1);
    let attrs = |value: Any| Attrs::from([("bold".into(), value)]);
    match kind % 5 {
        0 | 1 => root.insert(txn, at, "plain"),
        2 => root.insert_with_attributes(txn, at, "b", attrs(Any::from(true))),
        3 => {
            let picture = Any::from_json(r#"{"image":"a\"b"}"#).expect("JSON");
            root.insert_embed(txn, at, picture);
        }
        _ if at < len => {
            let value = if kind < 128 {
                Any::Null
            } else {
                Any::from("x")
            };
            root.format(txn, at, (len - at).min(3), attrs(value));
        }
        _ => {}
    }
}

fn push(txn: &mut TransactionMut, list: &ArrayRef, at: u32, kind: u8) {
    let at = at % (list.len(txn) + 1);
    match kind % 5 {
        0 => {
            list.insert(txn, at, i64::from(kind));
        }
        1 => {
            list.insert_range(txn, at, [Any::Null, Any::from(0.5), Any::from("s")]);
        }
        2 => {
            list.insert(txn, at, MapPrelim::from([("a", 1)]));
        }
        3 => {
            list.insert(txn, at, ArrayPrelim::from([1, 2]));
        }
        _ => {
            // Into a list or a map that is there.
            match list.get(txn, at) {
                Some(Out::YArray(inner)) => push(txn, &inner, at, kind / 5),
                Some(Out::YMap(inner)) => set(txn, &inner, kind / 7, kind / 5),
                _ => {
                    list.insert(txn, at, vec![kind; 3]);
                }
            }
        }
    }
}

fn set(txn: &mut TransactionMut, map: &MapRef, key: u8, kind: u8) {
    let key = ["x", "y", "漢"][usize::from(key % 3)];
    match kind % 5 {
        0 => {
            map.remove(txn, key);
        }
        1 => {
            map.insert(txn, key, TextPrelim::new("😀"));
        }
        2 => match map.get(txn, key) {
            Some(Out::YText(text)) => text.insert(txn, 0, "more"),
            Some(Out::YMap(inner)) => set(txn, &inner, kind / 4, kind / 5),
            _ => {
                map.insert(txn, key, MapPrelim::default());
            }
        },
        3 => {
            map.insert(txn, key, document(9));
        }
        _ => {
            map.insert(txn, key, f64::from(kind));
        }
    }
}

fn xml(txn: &mut TransactionMut, at: u32, kind: u8) {
    let root = txn.get_or_insert_xml_fragment("xml");
    let len = root.len(txn);
    let at = at % (len + 1);
    match (kind % 4, root.get(txn, at)) {
        (0, Some(XmlOut::Element(element))) => {
            element.insert_attribute(txn, "style", "wide");
            let text = element.push_back(txn, XmlTextPrelim::new("in"));
            text.insert(txn, 1, "side");
        }
        (1, Some(_)) => root.remove(txn, at),
        (2, _) => {
            root.insert(txn, at, XmlTextPrelim::new("text"));
        }
        _ => {
            root.insert(txn, at, XmlElementPrelim::empty("p"));
        }
    }
}
