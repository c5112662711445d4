//! What a configuration file says, with the place of each word: the same tree of TOML and JSON.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::problem::Wrong;

/// A value and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Whole(i64),
    Bool(bool),
    List(Vec<Node>),
    Table(Vec<Member>),
    /// What no option is: a fraction, a date, nothing.
    Other(&'static str),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Content {
    /// What it is, in words.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) => "a whole number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(what) => what,
        }
    }
}

impl Node {
    /// That it is not what was wanted.
    pub(crate) fn is_not(&self, wanted: &str) -> Wrong {
        Wrong::new(format!("expected {wanted}, found {}", self.content.what()))
            .at(self.span.clone())
    }

    /// Its text.
    pub(crate) fn text(&self) -> Result<&str, Wrong> {
        match &self.content {
            Content::Text(text) => Ok(text),
            _ => Err(self.is_not("text")),
        }
    }

    /// Its members.
    pub(crate) fn table(&self) -> Result<&[Member], Wrong> {
        match &self.content {
            Content::Table(members) => Ok(members),
            _ => Err(self.is_not("a table")),
        }
    }

    /// Its elements.
    pub(crate) fn list(&self) -> Result<&[Self], Wrong> {
        match &self.content {
            Content::List(nodes) => Ok(nodes),
            _ => Err(self.is_not("a list")),
        }
    }
}

/// Reads TOML.
pub(super) fn parse_toml(text: &str) -> Result<Node, Wrong> {
    match DeTable::parse(text) {
        Ok(table) => Ok(Node {
            span: table.span(),
            content: Content::Table(members(table.get_ref())),
        }),
        Err(error) => {
            let end = text.trim_end().len();
            Err(Wrong::new(error.message()).at(error.span().unwrap_or(end..end)))
        }
    }
}

/// In the order of the file.
fn members(table: &DeTable<'_>) -> Vec<Member> {
    let mut members: Vec<Member> = table
        .iter()
        .map(|(key, value)| Member {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: Node {
                span: value.span(),
                content: content(value.get_ref()),
            },
        })
        .collect();
    members.sort_by_key(|member| member.key_span.start);
    members
}

fn content(value: &DeValue<'_>) -> Content {
    match value {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix())
            .map_or(Content::Other("a number out of all range"), Content::Whole),
        DeValue::Boolean(yes) => Content::Bool(*yes),
        DeValue::Float(_) => Content::Other("a fraction"),
        DeValue::Datetime(_) => Content::Other("a date"),
        DeValue::Array(values) => Content::List(
            values
                .iter()
                .map(|value| Node {
                    span: value.span(),
                    content: content(value.get_ref()),
                })
                .collect(),
        ),
        DeValue::Table(table) => Content::Table(members(table)),
    }
}
