//! Rules for rooms, by patterns over their names.

use greenroom_server::BUILT_IN_KINDS;
use greenroom_server::auth::Pattern;
use serde_json::{Map, Value as Json, json};

use super::problem::{Wrong, unknown_key};
use super::tree::Node;
use super::value::{Given, Value, one_of};

/// What holds for the rooms that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomRule {
    pub(crate) pattern: Pattern,
    pub(crate) kind: Option<&'static str>,
}

/// The rules, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rooms(pub(crate) Vec<RoomRule>);

/// The keys of a rule.
const KEYS: [&str; 2] = ["pattern", "kind"];

impl Value for Rooms {
    const IS_LIST: bool = true;
    const IS_LAYERED: bool = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let rules = match given {
            Given::Texts(texts) => texts.iter().map(|text| rule_of_text(text)).collect(),
            Given::Node(node) => node.list()?.iter().map(rule_of_node).collect(),
        };
        Result::<_, _>::map(rules, Self)
    }

    fn shown(&self) -> Option<Json> {
        let shown = |rule: &RoomRule| {
            let mut members = Map::new();
            members.insert("pattern".into(), rule.pattern.as_str().into());
            if let Some(kind) = rule.kind {
                members.insert("kind".into(), kind.into());
            }
            Json::Object(members)
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(shown).collect())
    }

    fn schema() -> Json {
        json!({
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["pattern"],
                "properties": {
                    "pattern": {
                        "type": "string",
                        "description": "Room names: `*` stands for anything but `/`, `**` for anything",
                    },
                    "kind": {
                        "enum": BUILT_IN_KINDS,
                        "description": "What the rooms are",
                    },
                },
            },
        })
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }

    fn over(mut self, weaker: Self) -> Self {
        self.0.extend(weaker.0);
        self
    }
}

/// Reads `PATTERN=KIND`.
fn rule_of_text(text: &str) -> Result<RoomRule, Wrong> {
    let (pattern, kind) = text.rsplit_once('=').ok_or_else(|| {
        Wrong::new(format!("`{text}` does not say what the rooms are")).hint(format!(
            "write `counter/*=counter`; kinds: {}",
            BUILT_IN_KINDS.join(", ")
        ))
    })?;
    let kind = one_of(Given::Texts(&[kind.to_owned()]), &BUILT_IN_KINDS)?;
    let pattern = pattern.parse::<Pattern>();
    Ok(RoomRule {
        pattern: pattern.map_err(|error| Wrong::new(error.to_string()))?,
        kind: Some(kind),
    })
}

fn rule_of_node(node: &Node) -> Result<RoomRule, Wrong> {
    let mut pattern = None;
    let mut kind = None;
    for member in node.table()? {
        let node = &member.node;
        let within = |wrong: Wrong| wrong.at(node.span.clone());
        match member.key.as_str() {
            "pattern" => {
                let parsed = node.text()?.parse::<Pattern>();
                let wrong = |error: greenroom_server::auth::PatternError| {
                    within(Wrong::new(error.to_string()))
                };
                pattern = Some(parsed.map_err(wrong)?);
            }
            "kind" => kind = Some(one_of(Given::Node(node), &BUILT_IN_KINDS).map_err(within)?),
            other => {
                let span = member.key_span.clone();
                return Err(unknown_key(other, span, " in [[rooms]]", &KEYS));
            }
        }
    }
    let pattern = pattern.ok_or_else(|| {
        Wrong::new("a room rule has no `pattern`")
            .at(node.span.clone())
            .naming_itself()
    })?;
    Ok(RoomRule { pattern, kind })
}
