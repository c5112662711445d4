//! Makes a document hold what a version of it held, by an edit like any other.
//!
//! The version is a past of the document, so that both name what they share alike: a letter by the
//! id it was typed under, a nested type by the id it was made under. What is in both stays as it is,
//! and with it the cursors and bindings of those who edit it; what came since is removed; what went
//! is written anew.

mod align;
mod content;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use yrs::branch::BranchPtr;
use yrs::types::xml::XmlDeltaPrelim;
use yrs::{
    Array, ArrayPrelim, ArrayRef, BranchID, Doc, In, Map as _, MapPrelim, MapRef, Options, Out,
    ReadTxn, Snapshot, TextPrelim, TextRef, TransactionMut, WriteTxn, XmlElementPrelim,
    XmlFragmentPrelim, XmlTextPrelim,
};

use align::{Key, Step, align};

/// A document and what it is like before anything is changed.
struct Side<'a, 'doc> {
    transaction: &'a mut TransactionMut<'doc>,
    snapshot: Snapshot,
}

impl<'a, 'doc> Side<'a, 'doc> {
    fn new(transaction: &'a mut TransactionMut<'doc>) -> Self {
        let snapshot = transaction.snapshot();
        Self {
            transaction,
            snapshot,
        }
    }
}

/// Makes the document of `now` hold what that of `then` holds.
pub(super) fn restore(now: &mut TransactionMut<'_>, then: &mut TransactionMut<'_>) {
    let mut names = BTreeSet::new();
    for (name, _) in now.root_refs().chain(then.root_refs()) {
        names.insert(name.to_owned());
    }
    let (mut now, mut then) = (Side::new(now), Side::new(then));
    for name in names {
        root(&name, &mut now, &mut then);
    }
}

/// Of a root nobody knows the type: what it has as a map and what it has in a row is looked at.
fn root(name: &str, now: &mut Side<'_, '_>, then: &mut Side<'_, '_>) {
    let is_text = |side: &Side<'_, '_>| {
        let text = side.transaction.get_text(name);
        text.is_some_and(|text| text::has_letters(&text, side.transaction))
    };
    let is_text = is_text(now) || is_text(then);
    // A root that only one side has is an empty one on the other.
    let of = |side: &mut Side<'_, '_>| match side.transaction.get_map(name) {
        Some(map) => map,
        None => side.transaction.get_or_insert_map(name),
    };
    let (map, was) = (of(now), of(then));
    sync_map(&map, &was, now, then);
    let (row, was_row) = (branch(&map), branch(&was));
    if is_text {
        text::sync(&TextRef::from(row), &TextRef::from(was_row), now, then);
    } else {
        sync_row(&ArrayRef::from(row), &ArrayRef::from(was_row), now, then);
    }
}

fn branch(of: &impl AsRef<yrs::branch::Branch>) -> BranchPtr {
    BranchPtr::from(of.as_ref())
}

/// Makes a nested type hold what `then` holds.
fn sync(to: &Out, from: &Out, now: &mut Side<'_, '_>, then: &mut Side<'_, '_>) {
    match (to, from) {
        (Out::YMap(to), Out::YMap(from)) => sync_map(to, from, now, then),
        (Out::YArray(to), Out::YArray(from)) => sync_row(to, from, now, then),
        (Out::YText(to), Out::YText(from)) => text::sync(to, from, now, then),
        (Out::YXmlText(to), Out::YXmlText(from)) => {
            let maps = (MapRef::from(branch(to)), MapRef::from(branch(from)));
            sync_map(&maps.0, &maps.1, now, then);
            text::sync(to, from, now, then);
        }
        (Out::YXmlElement(to), Out::YXmlElement(from)) => {
            let maps = (MapRef::from(branch(to)), MapRef::from(branch(from)));
            sync_map(&maps.0, &maps.1, now, then);
            let rows = (ArrayRef::from(branch(to)), ArrayRef::from(branch(from)));
            sync_row(&rows.0, &rows.1, now, then);
        }
        (Out::YXmlFragment(to), Out::YXmlFragment(from)) => {
            let rows = (ArrayRef::from(branch(to)), ArrayRef::from(branch(from)));
            sync_row(&rows.0, &rows.1, now, then);
        }
        // Values are not changed, but replaced.
        _ => {}
    }
}

/// Whether both are the same nested type, or equal values.
fn is_same(one: &Out, other: &Out) -> bool {
    match (id_of(one), id_of(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => match (one, other) {
            (Out::YDoc(one), Out::YDoc(other)) => one.guid() == other.guid(),
            (one, other) => one == other,
        },
        _ => false,
    }
}

/// The client and the clock under which a nested type was made.
type NestedId = (u64, u32);

fn id_of(value: &Out) -> Option<NestedId> {
    match value.try_branch()?.id() {
        BranchID::Nested(id) => Some((id.client.get(), id.clock)),
        BranchID::Root(_) => None,
    }
}

/// What can be put where a value or a nested type stood: that type, empty. `None` for what is none
/// of a document's own, as a link into another place.
fn empty_like(value: &Out) -> Option<In> {
    Some(match value {
        Out::Any(any) => In::Any(any.clone()),
        Out::YText(_) => In::Text(TextPrelim::default().into()),
        Out::YArray(_) => In::Array(ArrayPrelim::default()),
        Out::YMap(_) => In::Map(MapPrelim::default()),
        Out::YXmlElement(element) => {
            In::XmlElement(XmlElementPrelim::empty(element.try_tag()?.clone()))
        }
        Out::YXmlFragment(_) => In::XmlFragment(XmlFragmentPrelim::new::<_, XmlTextPrelim>([])),
        Out::YXmlText(_) => In::XmlText(XmlDeltaPrelim::default()),
        Out::YDoc(_) | Out::UndefinedRef(_) => return None,
    })
}

/// A document within the document: known by its guid, its content is its own.
fn same_document(doc: &Doc) -> Doc {
    Doc::with_options(Options {
        client_id: doc.client_id(),
        guid: doc.guid(),
        collection_id: None,
        offset_kind: yrs::OffsetKind::Utf16,
        skip_gc: false,
        auto_load: doc.auto_load(),
        should_load: false,
        cleanup_formatting: false,
    })
}

fn sync_map(to: &MapRef, from: &MapRef, now: &mut Side<'_, '_>, then: &mut Side<'_, '_>) {
    let keys: BTreeSet<_> = to.keys(now.transaction).map(str::to_owned).collect();
    for key in &keys {
        if !from.contains_key(then.transaction, key) {
            to.remove(now.transaction, key);
        }
    }
    let keys: BTreeSet<_> = from.keys(then.transaction).map(str::to_owned).collect();
    for key in keys {
        let Some(was) = from.get(then.transaction, &key) else {
            continue;
        };
        let is = to.get(now.transaction, &key);
        let kept = is.filter(|is| {
            is_same(is, &was)
                || content::of(is, now.transaction) == content::of(&was, then.transaction)
        });
        let is = match (kept, &was) {
            (Some(kept), _) => kept,
            (None, Out::YDoc(doc)) => {
                to.insert(now.transaction, key, same_document(doc));
                continue;
            }
            (None, was) => match empty_like(was) {
                Some(empty) => to.insert(now.transaction, key, empty),
                None => continue,
            },
        };
        sync(&is, &was, now, then);
    }
}

/// Arrays, and the children of XML.
fn sync_row(to: &ArrayRef, from: &ArrayRef, now: &mut Side<'_, '_>, then: &mut Side<'_, '_>) {
    let is: Vec<_> = to.iter(now.transaction).collect();
    let was: Vec<_> = from.iter(then.transaction).collect();
    let ids = |row: &[Out]| row.iter().filter_map(id_of).collect::<BTreeSet<_>>();
    let (has, had) = (ids(&is), ids(&was));
    let is_keys: Vec<_> = is
        .iter()
        .map(|is| key_of(is, &had, now.transaction))
        .collect();
    let was_keys: Vec<_> = was
        .iter()
        .map(|was| key_of(was, &has, then.transaction))
        .collect();
    let mut at = 0;
    for step in align((&is, &is_keys), (&was, &was_keys)) {
        match step {
            Step::Remove(count) => to.remove_range(now.transaction, at, count),
            Step::Keep(is, was) => {
                sync(is, was, now, then);
                at += 1;
            }
            Step::Insert(missing) => {
                for was in missing {
                    if insert(to, at, was, now, then) {
                        at += 1;
                    }
                }
            }
        }
    }
}

/// Inserts what `was` there; false when that cannot be.
fn insert(
    to: &ArrayRef,
    at: u32,
    was: &Out,
    now: &mut Side<'_, '_>,
    then: &mut Side<'_, '_>,
) -> bool {
    if let Out::YDoc(doc) = was {
        to.insert(now.transaction, at, same_document(doc));
        return true;
    }
    let Some(empty) = empty_like(was) else {
        return false;
    };
    let is = to.insert(now.transaction, at, empty);
    sync(&is, was, now, then);
    true
}

/// What a value is known by: a nested type by its id where the `other` row has that too, else, as
/// one that an earlier restore wrote anew, by what it holds.
fn key_of<T: ReadTxn>(value: &Out, other: &BTreeSet<NestedId>, transaction: &T) -> Key {
    match id_of(value).filter(|id| other.contains(id)) {
        Some(id) => Key::Shared(id),
        None => Key::Content(content::of(value, transaction)),
    }
}
