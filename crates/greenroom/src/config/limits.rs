//! The limits: those of the core, by name, with where each value came from.

use greenroom_server::{LimitField, LimitUnit, Limits};
use serde_json::Value as Json;

use super::layers::{Layers, Origin, Said, Words, problem};
use super::options::{Entry, Reload};
use super::problem::{Problem, Wrong};
use super::value::{BYTE_UNITS, Given, TIME_UNITS, whole_schema};

/// The table that they are in.
pub(super) const LIMITS: &str = "limits";

/// The limits, read.
#[derive(Clone, Debug)]
pub(crate) struct LimitSettings {
    pub(crate) values: Limits,
    /// In the order of [`Limits::FIELDS`].
    origins: Vec<Origin>,
}

/// The variable of a limit.
pub(crate) fn variable_of(field: &LimitField) -> String {
    format!("GREENROOM_LIMITS_{}", field.name.to_ascii_uppercase())
}

/// What text for a limit may end in.
pub(crate) fn units_of(field: &LimitField) -> &'static [(&'static str, u64)] {
    match field.unit() {
        LimitUnit::Bytes => BYTE_UNITS,
        LimitUnit::Milliseconds => TIME_UNITS,
        LimitUnit::Count => &[],
    }
}

/// The JSON Schema of a limit.
pub(super) fn schema_of(field: &LimitField) -> Json {
    whole_schema(field.min, field.max, units_of(field))
}

/// Reads the value of a limit into `limits`.
pub(super) fn read_into(
    limits: &mut Limits,
    field: &LimitField,
    given: Given<'_>,
) -> Result<(), Wrong> {
    let value = given.whole(field.min, field.max, units_of(field))?;
    let set = field.set(limits, value);
    debug_assert!(set.is_ok(), "the range was checked");
    Ok(())
}

impl LimitSettings {
    pub(super) fn read(layers: &Layers<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut values = Limits::default();
        let mut origins = Vec::with_capacity(Limits::FIELDS.len());
        let before = problems.len();
        for field in Limits::FIELDS {
            let Some(said) = said(layers, field) else {
                origins.push(Origin::Default);
                continue;
            };
            let given = match &said.words {
                Words::Texts(texts) => Given::Texts(texts),
                Words::Node(node) => Given::Node(node),
            };
            if let Err(wrong) = read_into(&mut values, field, given) {
                problems.push(problem(&format!("{LIMITS}.{}", field.name), &said, wrong));
            }
            origins.push(said.origin);
        }
        if problems.len() > before {
            return None;
        }
        if let Err(conflict) = check(&values) {
            problems.push(conflict);
            return None;
        }
        Some(Self { values, origins })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let fields = Limits::FIELDS.iter().zip(&self.origins);
        fields.map(|(field, origin)| Entry {
            key: format!("{LIMITS}.{}", field.name),
            value: Some(field.get(&self.values).into()),
            hidden: false,
            origin: origin.clone(),
            reload: Reload::ForNew,
        })
    }
}

fn said<'a>(layers: &Layers<'a>, field: &LimitField) -> Option<Said<'a>> {
    let variable = variable_of(field);
    if let Some(text) = layers.environment.get(&variable) {
        return Some(Said {
            origin: Origin::Variable(variable),
            words: Words::Texts(vec![text.to_owned()]),
        });
    }
    let (document, node) = layers.node(&format!("{LIMITS}.{}", field.name))?;
    Some(Said {
        origin: layers.file_origin(document, node),
        words: Words::Node(node),
    })
}

fn check(limits: &Limits) -> Result<(), Problem> {
    limits.check().map_err(|_| Problem {
        source: LIMITS.to_owned(),
        wrong: Box::new(Wrong::new(format!(
            "`peer_dead_ms` ({}) is not above `ping_interval_ms` ({}): a silent peer would be \
             taken for dead before it is asked",
            limits.peer_dead_ms, limits.ping_interval_ms
        ))),
        in_file: false,
    })
}
