//! The types of values: how each is read from a flag, a variable or a file, how it is shown, and
//! what the schema says of it.

use std::net::SocketAddr;

use greenroom_server::auth::{OriginRule, SecretKey};
use serde_json::{Value as Json, json};

use super::problem::{Wrong, nearest};
use super::tree::{Content, Node};
use crate::server_plan::Place;

/// What was written for an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    /// By a flag or a variable: one text for each time, and between commas.
    Texts(&'a [String]),
    /// In a file.
    Node(&'a Node),
}

/// A type of values.
pub(crate) trait Value: Sized {
    /// Whether the flag needs no value: it says yes.
    const IS_SWITCH: bool = false;
    /// Whether a flag may be given several times, and texts are split at commas.
    const IS_LIST: bool = false;

    /// Reads it.
    fn read(given: Given<'_>) -> Result<Self, Wrong>;

    /// As it is written in a file, for those that may see it; `None`: not at all.
    fn shown(&self) -> Option<Json>;

    /// Its JSON Schema.
    fn schema() -> Json;

    /// Without any value and without a default.
    fn absent() -> Option<Self> {
        None
    }

    /// What comes of this and of what a weaker source says.
    fn over(self, _weaker: Self) -> Self {
        self
    }

    /// Whether weaker sources matter too, see [`Self::over`].
    const IS_LAYERED: bool = false;
}

impl Given<'_> {
    /// The one text.
    pub(super) fn text(&self) -> Result<&str, Wrong> {
        match self {
            Self::Texts(texts) => Ok(texts.last().map_or("", String::as_str)),
            Self::Node(node) => node.text(),
        }
    }

    /// The texts of a list, with the nodes that they come from.
    pub(super) fn texts(&self) -> Result<Vec<(&str, Option<&Node>)>, Wrong> {
        match self {
            Self::Texts(texts) => Ok(texts.iter().map(|text| (text.trim(), None)).collect()),
            Self::Node(node) => {
                let nodes = node.list()?.iter();
                nodes.map(|node| Ok((node.text()?, Some(node)))).collect()
            }
        }
    }

    /// A whole number in `least..=most`; texts may end in one of `units`.
    pub(super) fn whole(&self, least: u64, most: u64, units: &[(&str, u64)]) -> Result<u64, Wrong> {
        let (read, shown) = match self {
            Self::Node(Node {
                content: Content::Whole(whole),
                ..
            }) => (u64::try_from(*whole).ok(), whole.to_string()),
            Self::Node(node) if units.is_empty() => return Err(node.is_not("a whole number")),
            Self::Node(node @ Node { content, .. }) if !matches!(content, Content::Text(_)) => {
                return Err(node.is_not("a whole number, or text with a unit"));
            }
            _ => {
                let text = self.text()?;
                let Some(read) = with_unit(text, units) else {
                    let wrong = Wrong::new(format!(
                        "`{text}` is not a whole number{}",
                        unit_hint(units)
                    ));
                    return Err(wrong);
                };
                (Some(read), text.to_owned())
            }
        };
        read.filter(|read| (least..=most).contains(read))
            .ok_or_else(|| {
                let (least, most) = (in_words(least, units), in_words(most, units));
                Wrong::new(format!("{shown} is not between {least} and {most}"))
            })
    }
}

/// Sizes, in bytes.
pub(super) const BYTE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Times, in milliseconds.
pub(super) const TIME_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let unit = units.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, factor) = match unit {
        Some((unit, factor)) => (text[..text.len() - unit.len()].trim_end(), *factor),
        None => (text, 1),
    };
    let plain: String = number.chars().filter(|c| *c != '_').collect();
    let is_number = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
    // A number out of all range is out of this one.
    is_number.then(|| {
        plain
            .parse::<u64>()
            .unwrap_or(u64::MAX)
            .saturating_mul(factor)
    })
}

fn unit_hint(units: &[(&str, u64)]) -> String {
    match units {
        [] => String::new(),
        _ => {
            let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
            format!(", alone or with one of {}", names.join(", "))
        }
    }
}

/// In the largest unit that it is a whole number of.
pub(super) fn in_words(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units
        .iter()
        .filter(|(_, factor)| *factor > 1 && value > 0 && value.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor);
    match (fitting, units.iter().find(|(_, factor)| *factor == 1)) {
        (Some((unit, factor)), _) => format!("{} {unit}", value / factor),
        (None, Some((unit, _))) => format!("{value} {unit}"),
        (None, None) => value.to_string(),
    }
}

/// One of `names`.
pub(super) fn one_of(given: Given<'_>, names: &[&'static str]) -> Result<&'static str, Wrong> {
    let text = given.text()?;
    match names.iter().find(|name| **name == text) {
        Some(name) => Ok(name),
        None => {
            let wrong = Wrong::new(format!("`{text}` is none of {}", names.join(", ")));
            Err(match nearest(text, names) {
                Some(near) => wrong.label(format!("did you mean `{near}`?")),
                None => wrong,
            })
        }
    }
}

impl Value for bool {
    const IS_SWITCH: Self = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        match given {
            Given::Node(Node {
                content: Content::Bool(yes),
                ..
            }) => Ok(*yes),
            Given::Node(node) => Err(node.is_not("true or false")),
            Given::Texts(_) => {
                match given.text()?.to_ascii_lowercase().as_str() {
                    "1" | "true" | "yes" | "on" => Ok(true),
                    "0" | "false" | "no" | "off" => Ok(false),
                    other => Err(Wrong::new(format!("`{other}` is neither yes nor no"))
                        .hint("write `1` or `0`")),
                }
            }
        }
    }

    fn shown(&self) -> Option<Json> {
        Some(Json::from(*self))
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

impl<T: Value> Value for Option<T> {
    const IS_SWITCH: bool = T::IS_SWITCH;
    const IS_LIST: bool = T::IS_LIST;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        T::read(given).map(Some)
    }

    fn shown(&self) -> Option<Json> {
        self.as_ref().and_then(T::shown)
    }

    fn schema() -> Json {
        T::schema()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident, $units:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name<const LEAST: u64, const MOST: u64>(pub(crate) u64);

        impl<const LEAST: u64, const MOST: u64> Value for $name<LEAST, MOST> {
            fn read(given: Given<'_>) -> Result<Self, Wrong> {
                given.whole(LEAST, MOST, $units).map(Self)
            }

            fn shown(&self) -> Option<Json> {
                Some(Json::from(self.0))
            }

            fn schema() -> Json {
                whole_schema(LEAST, MOST, $units)
            }
        }
    )+};
}

numbers! {
    /// Milliseconds from `LEAST` to `MOST`; text may have a unit.
    Milliseconds, TIME_UNITS;
    /// Bytes from `LEAST` to `MOST`; text may have a unit.
    Bytes, BYTE_UNITS;
    /// A whole number from `LEAST` to `MOST`.
    Whole, &[];
}

/// A whole number, or text with a unit.
pub(super) fn whole_schema(least: u64, most: u64, units: &[(&str, u64)]) -> Json {
    let number = json!({ "type": "integer", "minimum": least, "maximum": most });
    if units.is_empty() {
        return number;
    }
    let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
    let pattern = format!("^[0-9_]+ *({})?$", names.join("|"));
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}

/// An address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl Value for Address {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let text = given.text()?;
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        numeric.parse().map(Self).map_err(|_| {
            Wrong::new(format!("`{text}` is not an address with a port"))
                .hint("write `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`")
        })
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.to_string().into())
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

/// Where data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory(pub(crate) Place);

impl Value for Directory {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        match given.text()? {
            "" => Err(Wrong::new("it is empty").hint("name a directory, or `:memory:`")),
            ":memory:" => Ok(Self(Place::Memory)),
            directory => Ok(Self(Place::Directory(directory.into()))),
        }
    }

    fn shown(&self) -> Option<Json> {
        Some(match &self.0 {
            Place::Memory => ":memory:".into(),
            Place::Directory(path) => path.display().to_string().into(),
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// Pages that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origins(pub(crate) Vec<(String, OriginRule)>);

impl Value for Origins {
    const IS_LIST: bool = true;

    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let texts = given.texts()?.into_iter();
        let rules = texts.map(|(text, node)| {
            let rule = text
                .parse()
                .map_err(|error: greenroom_server::auth::OriginRuleError| {
                    let wrong = Wrong::new(error.to_string()).hint(error.hint());
                    match node {
                        Some(node) => wrong.at(node.span.clone()),
                        None => wrong,
                    }
                })?;
            Ok((text.to_owned(), rule))
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    fn shown(&self) -> Option<Json> {
        let texts: Vec<_> = self.0.iter().map(|(text, _)| text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.into())
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": { "type": "string" } })
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogForm {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl LogForm {
    const NAMES: [&'static str; 3] = ["auto", "text", "json"];
}

impl Value for LogForm {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        Ok(match one_of(given, &Self::NAMES)? {
            "text" => Self::Text,
            "json" => Self::Json,
            _ => Self::Auto,
        })
    }

    fn shown(&self) -> Option<Json> {
        Some(Self::NAMES[*self as usize].into())
    }

    fn schema() -> Json {
        json!({ "enum": Self::NAMES })
    }
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFilter(pub(crate) String);

impl Value for LogFilter {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        let text = given.text()?;
        match tracing_subscriber::EnvFilter::builder().parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(Wrong::new(format!("`{text}` is not a filter: {error}"))
                .hint("write `debug` or `info,greenroom_server=debug`")),
        }
    }

    fn shown(&self) -> Option<Json> {
        Some(self.0.as_str().into())
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

/// A secret key; not shown anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Secret(pub(crate) SecretKey);

impl Value for Secret {
    fn read(given: Given<'_>) -> Result<Self, Wrong> {
        given.text()?.parse().map(Self).map_err(|error| {
            Wrong::new(format!("it is no secret key: {error}"))
                .hint("`greenroom token init` makes one: the field `secret` of its keys file")
        })
    }

    fn shown(&self) -> Option<Json> {
        None
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^sk_[A-Za-z0-9_-]{43}$" })
    }
}
