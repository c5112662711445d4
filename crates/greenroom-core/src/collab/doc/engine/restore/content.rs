//! What a value holds, as a text that is equal for what looks equal to everybody, whoever wrote it
//! when and in how many pieces.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use yrs::types::Attrs;
use yrs::types::text::YChange;
use yrs::{Any, Array as _, ArrayRef, Map as _, MapRef, Out, ReadTxn, Text};

use super::branch;

/// The content of a value.
pub(super) fn of<T: ReadTxn>(value: &Out, transaction: &T) -> String {
    let mut out = String::new();
    write(value, transaction, &mut out);
    out
}

/// The content of a text.
pub(super) fn of_text<T: ReadTxn>(text: &impl Text, transaction: &T) -> String {
    let mut out = String::new();
    letters(text, transaction, &mut out);
    out
}

fn write<T: ReadTxn>(value: &Out, transaction: &T, out: &mut String) {
    match value {
        Out::Any(any) => plain(any, out),
        Out::YMap(map) => entries(map, transaction, out),
        Out::YArray(array) => row(array, transaction, out),
        Out::YText(text) => {
            out.push_str("text");
            letters(text, transaction, out);
        }
        Out::YXmlText(text) => {
            out.push_str("xml text");
            entries(&MapRef::from(branch(text)), transaction, out);
            letters(text, transaction, out);
        }
        Out::YXmlElement(element) => {
            let _ = write!(out, "element {:?}", element.try_tag());
            entries(&MapRef::from(branch(element)), transaction, out);
            row(&ArrayRef::from(branch(element)), transaction, out);
        }
        Out::YXmlFragment(fragment) => {
            out.push_str("fragment");
            row(&ArrayRef::from(branch(fragment)), transaction, out);
        }
        Out::YDoc(doc) => {
            let _ = write!(out, "doc {}", doc.guid());
        }
        Out::UndefinedRef(_) => out.push('?'),
    }
}

fn entries<T: ReadTxn>(map: &MapRef, transaction: &T, out: &mut String) {
    let sorted: BTreeMap<_, _> = map.iter(transaction).collect();
    out.push('{');
    for (key, value) in sorted {
        let _ = write!(out, "{key:?}:");
        write(&value, transaction, out);
    }
    out.push('}');
}

fn row<T: ReadTxn>(array: &ArrayRef, transaction: &T, out: &mut String) {
    out.push('[');
    for value in array.iter(transaction) {
        write(&value, transaction, out);
        out.push(',');
    }
    out.push(']');
}

/// Letters that are written alike stand together.
fn letters<T: ReadTxn>(text: &impl Text, transaction: &T, out: &mut String) {
    let mut before: Option<String> = None;
    out.push('(');
    for chunk in text.diff(transaction, YChange::identity) {
        let alike = attributes(chunk.attributes.as_deref());
        match chunk.insert {
            Out::Any(Any::String(text)) => {
                if before.as_ref() != Some(&alike) {
                    let _ = write!(out, ";{alike}");
                }
                let shown = format!("{text:?}");
                out.push_str(&shown[1..shown.len() - 1]);
                before = Some(alike);
            }
            other => {
                let _ = write!(out, ";{alike}");
                write(&other, transaction, out);
                before = None;
            }
        }
    }
    out.push(')');
}

fn attributes(attributes: Option<&Attrs>) -> String {
    let sorted: BTreeMap<_, _> = attributes.into_iter().flatten().collect();
    let mut out = String::new();
    for (key, value) in sorted {
        let _ = write!(out, "{key:?}=");
        plain(value, &mut out);
    }
    out
}

fn plain(any: &Any, out: &mut String) {
    match any {
        Any::Map(values) => {
            out.push('{');
            for (key, value) in values.iter().collect::<BTreeMap<_, _>>() {
                let _ = write!(out, "{key:?}:");
                plain(value, out);
            }
            out.push('}');
        }
        Any::Array(values) => {
            out.push('[');
            for value in values.iter() {
                plain(value, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => {
            let _ = write!(out, "{plain:?}");
        }
    }
}
