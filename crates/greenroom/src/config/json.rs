//! Reads JSON into the tree, with the place of each word: raw slices of the text tell where they
//! are.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::Wrong;
use super::tree::{Content, Member, Node};

/// How deep a configuration is nested at most; ours has four levels.
const DEPTH_MAX: usize = 16;

/// Reads JSON.
pub(super) fn parse_json(text: &str) -> Result<Node, Wrong> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| syntax(text, 0, &error))?;
    read(text, raw, 0)
}

fn read(text: &str, raw: &RawValue, depth: usize) -> Result<Node, Wrong> {
    let span = span_of(text, raw.get());
    if depth > DEPTH_MAX {
        return Err(Wrong::new("nested too deep").at(span.start..span.start + 1));
    }
    let fail = |error| syntax(text, span.start, &error);
    let content = match raw.get().as_bytes().first() {
        Some(b'{') => {
            let Members(raw_members) = serde_json::from_str(raw.get()).map_err(fail)?;
            Content::Table(members(text, &raw_members, depth)?)
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(fail)?;
            let nodes = elements.iter().map(|raw| read(text, raw, depth + 1));
            Content::List(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Content::Text(serde_json::from_str(raw.get()).map_err(fail)?),
        Some(b't' | b'f') => Content::Bool(raw.get() == "true"),
        Some(b'n') => Content::Other("null"),
        _ => match raw.get().parse() {
            Ok(whole) => Content::Whole(whole),
            Err(_) => Content::Other("a fraction"),
        },
    };
    Ok(Node { span, content })
}

fn members(
    text: &str,
    raw_members: &[(&RawValue, &RawValue)],
    depth: usize,
) -> Result<Vec<Member>, Wrong> {
    let mut members: Vec<Member> = Vec::with_capacity(raw_members.len());
    for (key, value) in raw_members {
        let key_span = span_of(text, key.get());
        let fail = |error| syntax(text, key_span.start, &error);
        let key: String = serde_json::from_str(key.get()).map_err(fail)?;
        if members.iter().any(|member| member.key == key) {
            return Err(Wrong::new("duplicate key").at(key_span));
        }
        let node = read(text, value, depth + 1)?;
        members.push(Member {
            key,
            key_span,
            node,
        });
    }
    Ok(members)
}

/// Where `part`, a slice of `text`, stands in it.
fn span_of(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    debug_assert!(text.get(start..start + part.len()) == Some(part));
    start..start + part.len()
}

/// What is wrong with the part of `text` that starts at `from`.
fn syntax(text: &str, from: usize, error: &serde_json::Error) -> Wrong {
    let lines = text[from..].split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = from + before + error.column().saturating_sub(1);
    let at = text.floor_char_boundary(at.min(text.trim_end().len()));
    let message = error.to_string();
    // The place is shown by itself.
    let message = message.split(" at line ").next().unwrap_or_default();
    Wrong::new(message).at(at..at)
}

/// The members of an object, not yet read.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
