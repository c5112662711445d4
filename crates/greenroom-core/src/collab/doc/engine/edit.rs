//! Edits that the server makes. Each is checked before the first thing is changed, so that one that
//! is refused changed nothing.

use std::collections::BTreeSet;

use greenroom_service::Refuse;
use serde_json::{Map, Value};
use yrs::types::ToJson;
use yrs::types::text::YChange;
use yrs::{
    Any, Array, ArrayPrelim, ArrayRef, Map as _, MapPrelim, MapRef, Out, ReadTxn, Text, TextRef,
    TransactionMut, WriteTxn,
};

use super::view::{Root, json_of, root_name, wrong_type};
use crate::collab::doc::ask::{Edit, TextEdit};

/// What stands for an embedded object, which counts as one unit.
const EMBEDDED: u16 = 0xfffc;

/// Makes an edit.
pub(super) fn edit(
    root: Option<&str>,
    edit: &Edit,
    transaction: &mut TransactionMut<'_>,
) -> Result<(), Refuse> {
    let name = root_name(root, transaction)?;
    let found = Root::find(&name, transaction);
    match edit {
        Edit::Text(edits) => {
            let text = text_root(&name, found, transaction)?;
            check_edits(edits, units(&text, transaction))?;
            for TextEdit { at, delete, insert } in edits {
                splice(&text, *at, *delete, insert, transaction);
            }
        }
        Edit::ReplaceText(new) => {
            let text = text_root(&name, found, transaction)?;
            replace_text(&text, new, transaction);
        }
        Edit::Set(place, value) => {
            let map = map_root(&name, found, transaction)?;
            match (place.split_last(), value) {
                (Some((last, before)), value) => match container(map, before, transaction)? {
                    Container::Map(map) => set_key(&map, last, value, transaction),
                    Container::Array(array) => set_item(&array, last, value, transaction)?,
                },
                (None, Value::Object(object)) => sync_map(&map, object, transaction),
                (None, _) => {
                    let reason = "a root map can only become an object; name a place in it";
                    return Err(Refuse::new("root_type", reason));
                }
            }
        }
        Edit::Remove(place) => {
            let map = map_root(&name, found, transaction)?;
            let Some((last, before)) = place.split_last() else {
                sync_map(&map, &Map::new(), transaction);
                return Ok(());
            };
            match container(map, before, transaction)? {
                Container::Map(map) => drop(map.remove(transaction, last)),
                Container::Array(array) => {
                    let index = index_in(&array, last, transaction)?;
                    array.remove(transaction, index);
                }
            }
        }
    }
    Ok(())
}

/// Makes the roots of an empty document.
pub(super) fn make_roots(
    roots: &Map<String, Value>,
    transaction: &mut TransactionMut<'_>,
) -> Result<(), Refuse> {
    for (name, value) in roots {
        match value {
            Value::String(content) => {
                let text = transaction.get_or_insert_text(name.as_str());
                splice(&text, 0, 0, content, transaction);
            }
            Value::Array(values) => {
                let array = transaction.get_or_insert_array(name.as_str());
                insert_items(&array, 0, values, transaction);
            }
            Value::Object(object) => {
                let map = transaction.get_or_insert_map(name.as_str());
                fill_map(&map, object, transaction);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                let reason =
                    format!("the root `{name}` is neither a text, nor an array, nor a map");
                return Err(Refuse::new("root_type", reason));
            }
        }
    }
    Ok(())
}

fn text_root(
    name: &str,
    found: Root,
    transaction: &mut TransactionMut<'_>,
) -> Result<TextRef, Refuse> {
    match found {
        Root::Text(text) => Ok(text),
        Root::Nothing => Ok(transaction.get_or_insert_text(name)),
        other => Err(wrong_type(name, &other, "a text")),
    }
}

fn map_root(
    name: &str,
    found: Root,
    transaction: &mut TransactionMut<'_>,
) -> Result<MapRef, Refuse> {
    match found {
        Root::Map(map) => Ok(map),
        Root::Nothing => Ok(transaction.get_or_insert_map(name)),
        other => Err(wrong_type(name, &other, "a map")),
    }
}

/// The text in UTF-16 units.
fn units<T: ReadTxn>(text: &TextRef, transaction: &T) -> Vec<u16> {
    let mut units = Vec::with_capacity(text.len(transaction) as usize);
    for chunk in text.diff(transaction, YChange::identity) {
        match chunk.insert {
            Out::Any(Any::String(text)) => units.extend(text.encode_utf16()),
            _ => units.push(EMBEDDED),
        }
    }
    units
}

/// Checks that each edit is within the text, and cuts no character in two.
fn check_edits(edits: &[TextEdit], mut units: Vec<u16>) -> Result<(), Refuse> {
    for (number, edit) in edits.iter().enumerate() {
        let (start, end) = (edit.at as usize, edit.at as usize + edit.delete as usize);
        if end > units.len() {
            let reason = format!(
                "edit {number} ends at {end}, and the text has {} UTF-16 units there",
                units.len()
            );
            return Err(Refuse::new("edit_range", reason));
        }
        if [start, end].into_iter().any(|at| cuts(&units, at)) {
            let reason = format!("edit {number} cuts a character outside the BMP in two");
            return Err(Refuse::new("edit_range", reason));
        }
        units.splice(start..end, edit.insert.encode_utf16());
    }
    Ok(())
}

/// Whether `at` lies between the halves of a surrogate pair.
fn cuts(units: &[u16], at: usize) -> bool {
    units
        .get(at)
        .is_some_and(|unit| (0xdc00..0xe000).contains(unit))
}

fn splice(
    text: &TextRef,
    at: u32,
    delete: u32,
    insert: &str,
    transaction: &mut TransactionMut<'_>,
) {
    if delete > 0 {
        text.remove_range(transaction, at, delete);
    }
    if !insert.is_empty() {
        text.insert(transaction, at, insert);
    }
}

/// Edits what is between the beginning and the end that both have.
fn replace_text(text: &TextRef, new: &str, transaction: &mut TransactionMut<'_>) {
    let (old, new) = (
        units(text, transaction),
        new.encode_utf16().collect::<Vec<_>>(),
    );
    let same = |(a, b): &(&u16, &u16)| a == b;
    let mut start = old.iter().zip(&new).take_while(same).count();
    if cuts(&old, start) || cuts(&new, start) {
        start -= 1;
    }
    let rest = old.len().min(new.len()) - start;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let mut end = backwards.take(rest).take_while(same).count();
    if cuts(&old, old.len() - end) || cuts(&new, new.len() - end) {
        end -= 1;
    }
    let insert = String::from_utf16_lossy(&new[start..new.len() - end]);
    let delete = (old.len() - end - start) as u32;
    splice(text, start as u32, delete, &insert, transaction);
}

/// Where values stand.
enum Container {
    Map(MapRef),
    Array(ArrayRef),
}

/// What stands at `place` below `map`.
fn container<T: ReadTxn>(
    map: MapRef,
    place: &[String],
    transaction: &T,
) -> Result<Container, Refuse> {
    let mut at = Container::Map(map);
    for (depth, key) in place.iter().enumerate() {
        let found = match &at {
            Container::Map(map) => map.get(transaction, key),
            Container::Array(array) => {
                let index = index_in(array, key, transaction)?;
                array.get(transaction, index)
            }
        };
        let shown = || format!("/{}", place[..=depth].join("/"));
        at = match found {
            Some(Out::YMap(map)) => Container::Map(map),
            Some(Out::YArray(array)) => Container::Array(array),
            Some(_) => {
                let reason = format!(
                    "what is at {} is one value to everybody: set it whole",
                    shown()
                );
                return Err(Refuse::new("root_type", reason));
            }
            None => {
                let reason = format!("there is nothing at {}", shown());
                return Err(Refuse::new("edit_range", reason));
            }
        };
    }
    Ok(at)
}

fn index_in<T: ReadTxn>(array: &ArrayRef, key: &str, transaction: &T) -> Result<u32, Refuse> {
    let len = array.len(transaction);
    let index = key.parse::<u32>().ok().filter(|index| *index < len);
    index.ok_or_else(|| {
        let reason = format!("there is no item `{key}` in an array of {len}");
        Refuse::new("edit_range", reason)
    })
}

fn set_key(map: &MapRef, key: &str, value: &Value, transaction: &mut TransactionMut<'_>) {
    let found = map.get(transaction, key);
    if let Some(found) = found
        && becomes(&found, value, transaction)
    {
        return;
    }
    match value {
        Value::Object(object) => {
            let map = map.insert(transaction, key, MapPrelim::default());
            fill_map(&map, object, transaction);
        }
        Value::Array(values) => {
            let array = map.insert(transaction, key, ArrayPrelim::default());
            insert_items(&array, 0, values, transaction);
        }
        plain => drop(map.insert(transaction, key, any_of(plain))),
    }
}

fn set_item(
    array: &ArrayRef,
    key: &str,
    value: &Value,
    transaction: &mut TransactionMut<'_>,
) -> Result<(), Refuse> {
    let len = array.len(transaction);
    if key == "-" {
        insert_items(array, len, std::slice::from_ref(value), transaction);
        return Ok(());
    }
    let index = index_in(array, key, transaction)?;
    let found = array.get(transaction, index);
    if found.is_some_and(|found| becomes(&found, value, transaction)) {
        return Ok(());
    }
    array.remove(transaction, index);
    insert_items(array, index, std::slice::from_ref(value), transaction);
    Ok(())
}

/// Makes what is there into `value` without replacing it; false when it has to be replaced.
fn becomes(found: &Out, value: &Value, transaction: &mut TransactionMut<'_>) -> bool {
    match (found, value) {
        (Out::YMap(map), Value::Object(object)) => sync_map(map, object, transaction),
        (Out::YArray(array), Value::Array(values)) => sync_array(array, values, transaction),
        (found, value) => return json_of(&found.to_json(transaction)) == *value,
    }
    true
}

fn sync_map(map: &MapRef, object: &Map<String, Value>, transaction: &mut TransactionMut<'_>) {
    let present: BTreeSet<_> = map.keys(transaction).map(str::to_owned).collect();
    for key in present.iter().filter(|key| !object.contains_key(*key)) {
        map.remove(transaction, key);
    }
    fill_map(map, object, transaction);
}

fn fill_map(map: &MapRef, object: &Map<String, Value>, transaction: &mut TransactionMut<'_>) {
    for (key, value) in object {
        set_key(map, key, value, transaction);
    }
}

/// Edits what is between the beginning and the end that both have.
fn sync_array(array: &ArrayRef, values: &[Value], transaction: &mut TransactionMut<'_>) {
    let old: Vec<_> = array.iter(transaction).collect();
    let old: Vec<_> = old
        .iter()
        .map(|item| json_of(&item.to_json(transaction)))
        .collect();
    let same = |(a, b): &(&Value, &Value)| a == b;
    let start = old.iter().zip(values).take_while(same).count();
    let rest = old.len().min(values.len()) - start;
    let backwards = old.iter().rev().zip(values.iter().rev());
    let end = backwards.take(rest).take_while(same).count();
    let removed = (old.len() - end - start) as u32;
    if removed > 0 {
        array.remove_range(transaction, start as u32, removed);
    }
    insert_items(
        array,
        start as u32,
        &values[start..values.len() - end],
        transaction,
    );
}

fn insert_items(
    array: &ArrayRef,
    from: u32,
    values: &[Value],
    transaction: &mut TransactionMut<'_>,
) {
    for (value, at) in values.iter().zip(from..) {
        match value {
            Value::Object(object) => {
                let map = array.insert(transaction, at, MapPrelim::default());
                fill_map(&map, object, transaction);
            }
            Value::Array(values) => {
                let array = array.insert(transaction, at, ArrayPrelim::default());
                insert_items(&array, 0, values, transaction);
            }
            plain => drop(array.insert(transaction, at, any_of(plain))),
        }
    }
}

/// The largest whole number that JavaScript keeps apart from its neighbours; what is larger would
/// reach it as a BigInt.
const SAFE_MAX: i64 = (1 << 53) - 1;

/// A value without parts.
fn any_of(value: &Value) -> Any {
    match value {
        Value::Null => Any::Null,
        Value::Bool(bool) => Any::Bool(*bool),
        Value::Number(number) => match number.as_i64().filter(|n| n.abs() <= SAFE_MAX) {
            Some(whole) => Any::from(whole),
            None => Any::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Any::String(text.as_str().into()),
        Value::Array(_) | Value::Object(_) => unreachable!("those become shared types"),
    }
}
