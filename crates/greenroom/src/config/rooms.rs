//! Rules for rooms, by patterns over their names.

use greenroom_server::auth::{Pattern, PatternError, Rights};
use greenroom_server::{BUILT_IN_KINDS, LimitField, Limits, RoomRule as Rule, Visibility};
use serde_json::{Map, Value as Json, json};

use super::limits::{schema_of, units_of};
use super::problem::{Wrong, unknown_key};
use super::tree::{Member, Node};
use super::value::{Given, Value, one_of};

/// What holds for the rooms that a pattern matches.
#[derive(Clone, Debug)]
pub(crate) struct RoomRule {
    /// What they are.
    pub(crate) kind: Option<&'static str>,
    /// What else holds.
    pub(crate) rule: Rule,
}

/// The rules, in order.
#[derive(Clone, Debug)]
pub(crate) struct Rooms(pub(crate) Vec<RoomRule>);

/// The keys of a rule.
const KEYS: [&str; 6] = [
    "pattern",
    "kind",
    "anonymous",
    "authenticated",
    "visibility",
    "limits",
];

const VISIBILITIES: [&str; 2] = ["early", "durable"];

impl Value for Rooms {
    const IS_LIST: bool = true;
    const IS_LAYERED: bool = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let rules: Result<_, Wrong> = match given {
            Given::Texts(texts) => texts.iter().map(|text| rule_of_text(text)).collect(),
            Given::Node(node) => node.list()?.iter().map(rule_of_node).collect(),
        };
        rules.map(Self)
    }

    fn shown(&self) -> Option<Json> {
        (!self.0.is_empty()).then(|| self.0.iter().map(shown).collect())
    }

    fn schema() -> Json {
        let rights = |whose: &str| {
            json!({
                "type": "array",
                "items": { "enum": rights_names() },
                "description": whose,
            })
        };
        let limits: Map<_, _> = Limits::FIELDS
            .iter()
            .map(|field| (field.name.to_owned(), schema_of(field)))
            .collect();
        json!({
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["pattern"],
                "properties": {
                    "pattern": {
                        "type": "string",
                        "description":
                            "Room names: `*` stands for anything but `/`, `**` for anything",
                    },
                    "kind": { "enum": BUILT_IN_KINDS, "description": "What the rooms are" },
                    "anonymous": rights("What somebody without a token may do"),
                    "authenticated":
                        rights("What somebody may do whose good token says nothing of the room"),
                    "visibility": {
                        "enum": VISIBILITIES,
                        "description": "When others see an edit of a document: early, or when it \
                                        is on stable storage",
                    },
                    "limits": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": limits,
                        "description": "Limits other than those of the server",
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

fn rights_names() -> Vec<&'static str> {
    Rights::ALL.names().collect()
}

fn shown(RoomRule { kind, rule }: &RoomRule) -> Json {
    let mut members = Map::new();
    members.insert("pattern".into(), rule.pattern.as_str().into());
    if let Some(kind) = kind {
        members.insert("kind".into(), (*kind).into());
    }
    for (key, rights) in [
        ("anonymous", rule.anonymous),
        ("authenticated", rule.authenticated),
    ] {
        if let Some(rights) = rights {
            members.insert(key.into(), rights.names().collect());
        }
    }
    if let Some(visibility) = rule.visibility {
        let name = match visibility {
            Visibility::Early => VISIBILITIES[0],
            Visibility::Durable => VISIBILITIES[1],
        };
        members.insert("visibility".into(), name.into());
    }
    if !rule.limits.is_empty() {
        let limits = rule.limits.iter();
        let limits = limits.map(|(field, value)| (field.name.to_owned(), Json::from(*value)));
        members.insert("limits".into(), Json::Object(limits.collect()));
    }
    Json::Object(members)
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
        kind: Some(kind),
        rule: Rule::new(pattern.map_err(|error| Wrong::new(error.to_string()))?),
    })
}

fn rule_of_node(node: &Node) -> Result<RoomRule, Wrong> {
    let members = node.table()?;
    let named = members.iter().find(|member| member.key == "pattern");
    let Some(Member { node: pattern, .. }) = named else {
        let wrong = Wrong::new("a room rule has no `pattern`").naming_itself();
        return Err(wrong.at(node.span.clone()));
    };
    let parsed = pattern.text()?.parse::<Pattern>();
    let wrong = |error: PatternError| Wrong::new(error.to_string()).at(pattern.span.clone());
    let mut rule = RoomRule {
        kind: None,
        rule: Rule::new(parsed.map_err(wrong)?),
    };
    for member in members {
        read_member(&mut rule, member).map_err(|wrong| wrong.at(member.node.span.clone()))?;
    }
    Ok(rule)
}

fn read_member(RoomRule { kind, rule }: &mut RoomRule, member: &Member) -> Result<(), Wrong> {
    let node = &member.node;
    match member.key.as_str() {
        "pattern" => {}
        "kind" => *kind = Some(one_of(Given::Node(node), &BUILT_IN_KINDS)?),
        "anonymous" => rule.anonymous = Some(rights_of(node)?),
        "authenticated" => rule.authenticated = Some(rights_of(node)?),
        "visibility" => {
            rule.visibility = Some(match one_of(Given::Node(node), &VISIBILITIES)? {
                "durable" => Visibility::Durable,
                _ => Visibility::Early,
            });
        }
        "limits" => rule.limits = limits_of(node)?,
        other => {
            let span = member.key_span.clone();
            return Err(unknown_key(other, span, " in [[rooms]]", &KEYS));
        }
    }
    Ok(())
}

fn rights_of(node: &Node) -> Result<Rights, Wrong> {
    let names = rights_names();
    let mut rights = Rights::NONE;
    for node in node.list()? {
        let named =
            one_of(Given::Node(node), &names).map_err(|wrong| wrong.at(node.span.clone()))?;
        rights = rights | Rights::from_name(named).unwrap_or_default();
    }
    Ok(rights)
}

fn limits_of(node: &Node) -> Result<Vec<(&'static LimitField, u64)>, Wrong> {
    let known: Vec<_> = Limits::FIELDS.iter().map(|field| field.name).collect();
    let mut limits = Vec::new();
    for member in node.table()? {
        let Some(field) = LimitField::find(&member.key) else {
            let span = member.key_span.clone();
            let place = " in `limits` of [[rooms]]";
            return Err(unknown_key(&member.key, span, place, &known));
        };
        let given = Given::Node(&member.node);
        let value = given.whole(field.min, field.max, units_of(field));
        let wrong = |wrong: Wrong| {
            let what = format!("{}: {}", field.name, wrong.what);
            Wrong { what, ..wrong }.at(member.node.span.clone())
        };
        limits.push((field, value.map_err(wrong)?));
    }
    Ok(limits)
}

/// The first rule whose limits contradict each other or those of the server, by its pattern.
pub(super) fn contradiction<'a>(rooms: &'a Rooms, limits: &Limits) -> Option<&'a Pattern> {
    let mut rules = rooms.0.iter();
    let found = rules.find(|RoomRule { rule, .. }| {
        let mut merged = limits.clone();
        for (field, value) in &rule.limits {
            let _ = field.set(&mut merged, *value);
        }
        merged.check().is_err()
    });
    found.map(|found| &found.rule.pattern)
}
