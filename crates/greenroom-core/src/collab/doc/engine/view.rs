//! A document as JSON, text or XML.
//!
//! The roots of a document have no type on the wire: whoever opens one says what it takes it for.
//! So it is taken for what its content looks like.

use std::collections::BTreeMap;

use greenroom_service::Refuse;
use serde_json::{Map, Value};
use yrs::any::Number;
use yrs::types::ToJson;
use yrs::{Array, ArrayRef, GetString, Map as _, MapRef, Out, ReadTxn, TextRef, XmlFragmentRef};

/// What a root looks like.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// There is nothing in it.
    Nothing,
    Map(MapRef),
    Array(ArrayRef),
    Text(TextRef),
    Xml(XmlFragmentRef),
}

impl Root {
    /// The root of this name.
    pub(super) fn find<T: ReadTxn>(name: &str, transaction: &T) -> Self {
        if let Some(map) = transaction.get_map(name).filter(|m| m.len(transaction) > 0) {
            return Self::Map(map);
        }
        let text = transaction.get_text(name);
        if let Some(text) = text.filter(|text| !text.get_string(transaction).is_empty()) {
            return Self::Text(text);
        }
        let Some(array) = transaction.get_array(name) else {
            return Self::Nothing;
        };
        match array.get(transaction, 0) {
            Some(Out::YXmlElement(_) | Out::YXmlText(_) | Out::YXmlFragment(_)) => transaction
                .get_xml_fragment(name)
                .map_or(Self::Nothing, Self::Xml),
            Some(_) => Self::Array(array),
            None => Self::Nothing,
        }
    }

    /// The word for messages.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::Map(_) => "a map",
            Self::Array(_) => "an array",
            Self::Text(_) => "a text",
            Self::Xml(_) => "XML",
        }
    }

    fn json<T: ReadTxn>(&self, transaction: &T) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Map(map) => json_of(&map.to_json(transaction)),
            Self::Array(array) => json_of(&array.to_json(transaction)),
            Self::Text(text) => Value::String(text.get_string(transaction)),
            Self::Xml(xml) => Value::String(xml.get_string(transaction)),
        }
    }
}

/// The one root of the document, or the one that is named.
pub(super) fn root_name<T: ReadTxn>(
    given: Option<&str>,
    transaction: &T,
) -> Result<String, Refuse> {
    if let Some(name) = given {
        return Ok(name.to_owned());
    }
    let mut names: Vec<_> = transaction.root_refs().map(|(name, _)| name).collect();
    names.sort_unstable();
    match names[..] {
        [name] => Ok(name.to_owned()),
        [] => Err(Refuse::new(
            "root_unknown",
            "the document has no root yet: name the one that is meant",
        )),
        _ => {
            let shown = names
                .iter()
                .take(20)
                .copied()
                .collect::<Vec<_>>()
                .join("`, `");
            let reason = format!(
                "the document has {} roots, name the one that is meant: `{shown}`",
                names.len()
            );
            Err(Refuse::new("root_unknown", reason))
        }
    }
}

/// All roots as an object, or one of them.
pub(super) fn json<T: ReadTxn>(root: Option<&str>, transaction: &T) -> Value {
    if let Some(name) = root {
        return Root::find(name, transaction).json(transaction);
    }
    let names = transaction.root_refs().map(|(name, _)| name.to_owned());
    let names: Vec<_> = names.collect();
    let value = |name: String| {
        let value = Root::find(&name, transaction).json(transaction);
        (name, value)
    };
    Value::Object(names.into_iter().map(value).collect::<Map<_, _>>())
}

/// The roots that are texts, by name.
pub(super) fn texts<T: ReadTxn>(transaction: &T) -> Map<String, Value> {
    let names: Vec<_> = transaction
        .root_refs()
        .map(|(name, _)| name.to_owned())
        .collect();
    let text = |name: String| match Root::find(&name, transaction) {
        Root::Text(text) => Some((name, Value::String(text.get_string(transaction)))),
        _ => None,
    };
    names.into_iter().filter_map(text).collect()
}

/// The text of a root.
pub(super) fn text<T: ReadTxn>(root: Option<&str>, transaction: &T) -> Result<String, Refuse> {
    let name = root_name(root, transaction)?;
    match Root::find(&name, transaction) {
        Root::Nothing => Ok(String::new()),
        Root::Text(text) => Ok(text.get_string(transaction)),
        other => Err(wrong_type(&name, &other, "a text")),
    }
}

/// The XML of a root.
pub(super) fn xml<T: ReadTxn>(root: Option<&str>, transaction: &T) -> Result<String, Refuse> {
    let name = root_name(root, transaction)?;
    match Root::find(&name, transaction) {
        Root::Nothing => Ok(String::new()),
        Root::Xml(xml) => Ok(xml.get_string(transaction)),
        other => Err(wrong_type(&name, &other, "XML")),
    }
}

/// Each root in lines, or one of them: a text as it is, XML with a line for each tag, the rest as
/// JSON.
pub(super) fn lines<T: ReadTxn>(
    root: Option<&str>,
    transaction: &T,
) -> BTreeMap<String, Vec<String>> {
    let names: Vec<_> = match root {
        Some(name) => vec![name.to_owned()],
        None => transaction
            .root_refs()
            .map(|(name, _)| name.to_owned())
            .collect(),
    };
    let lines = |name: String| {
        let text = match Root::find(&name, transaction) {
            Root::Nothing => return (name, Vec::new()),
            Root::Text(text) => text.get_string(transaction),
            Root::Xml(xml) => xml.get_string(transaction).replace("><", ">\n<"),
            other => format!("{:#}", other.json(transaction)),
        };
        (name, text.split('\n').map(str::to_owned).collect())
    };
    names.into_iter().map(lines).collect()
}

pub(super) fn wrong_type(name: &str, is: &Root, wanted: &str) -> Refuse {
    let reason = format!("the root `{name}` is {}, not {wanted}", is.name());
    Refuse::new("root_type", reason)
}

/// JSON has no undefined value and no bytes: the one is null, the others are a list of numbers.
pub(super) fn json_of(any: &yrs::Any) -> Value {
    match any {
        yrs::Any::Null | yrs::Any::Undefined => Value::Null,
        yrs::Any::Bool(bool) => Value::Bool(*bool),
        yrs::Any::Number(number) => number_of(number),
        yrs::Any::String(text) => Value::String(text.to_string()),
        yrs::Any::Buffer(bytes) => Value::from(bytes.to_vec()),
        yrs::Any::Array(values) => Value::Array(values.iter().map(json_of).collect()),
        yrs::Any::Map(values) => {
            let pairs = values
                .iter()
                .map(|(key, value)| (key.clone(), json_of(value)));
            Value::Object(pairs.collect())
        }
    }
}

/// A whole number without a fraction, as JavaScript writes it; null for what is no number.
fn number_of(number: &Number) -> Value {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match *number {
        Number::Int(whole) => Value::from(whole),
        Number::Float(float) if float.fract() == 0.0 && float.abs() < WHOLE_MAX => {
            Value::from(float as i64)
        }
        Number::Float(float) => Value::from(float),
    }
}
