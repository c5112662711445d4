//! Rules for hooks, by patterns over the names of rooms.

use greenroom_server::auth::Pattern;
use greenroom_server::hooks::{Content, HookRule, HookSecret, HookUrl};
use serde_json::{Map, Value as Json, json};

use super::problem::{Wrong, unknown_key};
use super::tree::{Member, Node};
use super::value::{Given, TIME_UNITS, Value, in_words, one_of};

/// The rules, in order.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(pub(crate) Vec<HookRule>);

/// The secrets that requests to receivers are signed with.
#[derive(Clone, Debug)]
pub(crate) struct HookSecrets(pub(crate) Vec<HookSecret>);

/// The longest time that a key of a rule may say.
const TIME_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// What can be told of a document.
const FORMS: [&str; 3] = ["update", "json", "text"];

type UrlField = fn(&mut HookRule) -> &mut Option<HookUrl>;
type TimeField = fn(&mut HookRule) -> &mut Option<u64>;

/// The hooks.
const HOOKS: [(&str, UrlField, &str); 4] = [
    (
        "authenticate",
        |rule| &mut rule.authenticate,
        "Who is asked about those who join without a token of ours",
    ),
    (
        "on_load",
        |rule| &mut rule.on_load,
        "Who is asked what a room is to hold in which nothing was ever written",
    ),
    (
        "on_change",
        |rule| &mut rule.on_change,
        "Who is told when a document changed",
    ),
    (
        "on_unload",
        |rule| &mut rule.on_unload,
        "Who is told when a room was unloaded after somebody was in it",
    ),
];

/// The times: key, least, what nobody has to say, meaning.
const TIMES: [(&str, TimeField, u64, u64, &str); 4] = [
    (
        "quiet_ms",
        |rule| &mut rule.quiet_ms,
        0,
        HookRule::QUIET_MS,
        "A change is told when the document was left alone for so long",
    ),
    (
        "wait_ms_max",
        |rule| &mut rule.wait_ms_max,
        0,
        HookRule::WAIT_MS_MAX,
        "A change is told so long after it at the latest",
    ),
    (
        "deadline_ms",
        |rule| &mut rule.deadline_ms,
        100,
        HookRule::DEADLINE_MS,
        "How long a receiver has for its answer",
    ),
    (
        "give_up_ms",
        |rule| &mut rule.give_up_ms,
        0,
        HookRule::GIVE_UP_MS,
        "What a receiver did not take for so long is given up, with an error in the log",
    ),
];

impl Value for Hooks {
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
        let mut properties = Map::new();
        properties.insert(
            "pattern".into(),
            json!({
                "type": "string",
                "description": "Room names: `*` stands for anything but `/`, `**` for anything",
            }),
        );
        for (key, _, what) in HOOKS {
            let schema = json!({ "type": "string", "format": "uri", "description": what });
            properties.insert(key.into(), schema);
        }
        properties.insert(
            "content".into(),
            json!({
                "type": "array",
                "items": { "enum": FORMS },
                "description": "What is told of a document that changed",
            }),
        );
        for (key, _, least, usual, what) in TIMES {
            let schema = json!({
                "anyOf": [
                    { "type": "integer", "minimum": least, "maximum": TIME_MS_MAX },
                    { "type": "string", "pattern": "^[0-9]+ ?(ms|h|m|s)?$" },
                ],
                "default": usual,
                "description": what,
            });
            properties.insert(key.into(), schema);
        }
        json!({
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["pattern"],
                "properties": properties,
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

impl Value for HookSecrets {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let secrets: Result<Vec<_>, _> = given
            .text()?
            .split_whitespace()
            .map(str::parse::<HookSecret>)
            .collect();
        let secrets = secrets.map_err(|error| Wrong::new(error.to_string()).hint(HINT_SECRET))?;
        if secrets.is_empty() {
            return Err(Wrong::new("there is no secret in it").hint(HINT_SECRET));
        }
        Ok(Self(secrets))
    }

    fn shown(&self) -> Option<Json> {
        None
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^\\s*whsec_[A-Za-z0-9+/=]+(\\s+whsec_[A-Za-z0-9+/=]+)*\\s*$" })
    }
}

/// How to come by a secret.
pub(crate) const HINT_SECRET: &str =
    "`echo whsec_$(head -c 32 /dev/urandom | base64)` makes one; receivers need it too";

/// The rows of the reference: key, default, meaning.
pub(super) fn keys_of_reference() -> impl Iterator<Item = (&'static str, String, String)> {
    let pattern = ("pattern", "needed".to_owned(), "the rooms".to_owned());
    let hooks = HOOKS.iter().map(|(key, _, what)| {
        let what = format!("{what}: an http or https address");
        (*key, String::new(), what)
    });
    let forms = FORMS.map(|form| format!("`{form}`")).join(", ");
    let content = (
        "content",
        "all".to_owned(),
        format!("What is told of a document that changed: a list of {forms}"),
    );
    let times = TIMES.iter().map(|(key, _, _, usual, what)| {
        let usual = in_words(*usual, TIME_UNITS);
        (*key, usual, (*what).to_owned())
    });
    std::iter::once(pattern)
        .chain(hooks)
        .chain(std::iter::once(content))
        .chain(times)
}

fn shown(rule: &HookRule) -> Json {
    let mut rule = rule.clone();
    let mut members = Map::new();
    members.insert("pattern".into(), rule.pattern.as_str().into());
    for (key, field, _) in HOOKS {
        if let Some(url) = field(&mut rule) {
            members.insert(key.into(), url.as_str().into());
        }
    }
    if let Some(content) = rule.content {
        let said = [content.update, content.json, content.text];
        let forms = FORMS.iter().zip(said).filter(|(_, said)| *said);
        let forms = forms.map(|(form, _)| Json::from(*form)).collect();
        members.insert("content".into(), forms);
    }
    for (key, field, ..) in TIMES {
        if let Some(time) = *field(&mut rule) {
            members.insert(key.into(), time.into());
        }
    }
    Json::Object(members)
}

/// Reads `HOOK:PATTERN=URL`.
fn rule_of_text(text: &str) -> Result<HookRule, Wrong> {
    let parts = text.split_once(':').and_then(|(hook, rest)| {
        let at = rest.find("=http")?;
        Some((hook.trim(), &rest[..at], &rest[at + 1..]))
    });
    let usage = "write `on_change:notes/*=https://app.example.com/changed`";
    let (hook, pattern, url) =
        parts.ok_or_else(|| Wrong::new(format!("`{text}` is no rule for a hook")).hint(usage))?;
    let names = HOOKS.map(|(key, ..)| key);
    let hook = one_of(Given::Texts(&[hook.to_owned()]), &names)?;
    let pattern = pattern.parse::<Pattern>();
    let mut rule = HookRule::new(pattern.map_err(|error| Wrong::new(error.to_string()))?);
    for (key, field, _) in HOOKS {
        if key == hook {
            *field(&mut rule) = Some(url_of(url)?);
        }
    }
    Ok(rule)
}

fn rule_of_node(node: &Node) -> Result<HookRule, Wrong> {
    let members = node.table()?;
    let named = members.iter().find(|member| member.key == "pattern");
    let Some(Member { node: pattern, .. }) = named else {
        let wrong = Wrong::new("a rule for hooks has no `pattern`").naming_itself();
        return Err(wrong.at(node.span.clone()));
    };
    let parsed = pattern.text()?.parse::<Pattern>();
    let parsed = parsed.map_err(|error| Wrong::new(error.to_string()).at(pattern.span.clone()))?;
    let mut rule = HookRule::new(parsed);
    for member in members {
        read_member(&mut rule, member).map_err(|wrong| {
            let what = format!("{}: {}", member.key, wrong.what);
            let what = if wrong.names_itself {
                wrong.what.clone()
            } else {
                what
            };
            Wrong { what, ..wrong }.at(member.node.span.clone())
        })?;
    }
    Ok(rule)
}

fn read_member(rule: &mut HookRule, member: &Member) -> Result<(), Wrong> {
    let node = &member.node;
    let key = member.key.as_str();
    if let Some((_, field, _)) = HOOKS.iter().find(|(name, ..)| *name == key) {
        *field(rule) = Some(url_of(node.text()?)?);
        return Ok(());
    }
    if let Some((_, field, least, ..)) = TIMES.iter().find(|(name, ..)| *name == key) {
        let time = Given::Node(node).whole(*least, TIME_MS_MAX, TIME_UNITS)?;
        *field(rule) = Some(time);
        return Ok(());
    }
    match key {
        "pattern" => {}
        "content" => rule.content = Some(content_of(node)?),
        other => {
            let mut known = vec!["pattern", "content"];
            known.extend(HOOKS.map(|(key, ..)| key));
            known.extend(TIMES.map(|(key, ..)| key));
            let span = member.key_span.clone();
            return Err(unknown_key(other, span, " in [[hooks]]", &known));
        }
    }
    Ok(())
}

fn url_of(text: &str) -> Result<HookUrl, Wrong> {
    let parsed = text.parse::<HookUrl>();
    parsed.map_err(|error| {
        Wrong::new(format!("`{text}` cannot be asked: {error}"))
            .hint("write `https://app.example.com/hooks`")
    })
}

fn content_of(node: &Node) -> Result<Content, Wrong> {
    let mut content = Content {
        update: false,
        json: false,
        text: false,
    };
    for node in node.list()? {
        let form = one_of(Given::Node(node), &FORMS).map_err(|w| w.at(node.span.clone()))?;
        match form {
            "update" => content.update = true,
            "json" => content.json = true,
            _ => content.text = true,
        }
    }
    Ok(content)
}
