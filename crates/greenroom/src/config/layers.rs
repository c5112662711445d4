//! The sources of values, strongest first, and a value with the source that it came from.

use std::fmt;
use std::path::PathBuf;

use super::document::Document;
use super::environment::Environment;
use super::flags::Flags;
use super::options::{Fallback, OptionSpec};
use super::problem::{Problem, Wrong};
use super::tree::Node;
use super::value::{Given, Value};
use crate::env_vars;
use crate::server_plan::Purpose;

/// The largest file that holds a secret.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, by its name.
    Flag(&'static str),
    /// A variable.
    Variable(String),
    /// A file in systemd's credentials directory.
    Credential(PathBuf),
    /// A line of the configuration file.
    File { name: String, line: usize },
    /// Nobody said anything.
    Default,
    /// From all of these.
    Several(Vec<Self>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::Credential(path) => write!(f, "{}", path.display()),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Default => f.write_str("default"),
            Self::Several(origins) => {
                let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
                f.write_str(&origins.join(", "))
            }
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// All that was written.
pub(super) struct Layers<'a> {
    pub(super) purpose: Purpose,
    pub(super) flags: &'a Flags,
    pub(super) environment: &'a Environment,
    pub(super) document: Option<&'a Document>,
}

/// One source's words for an option.
pub(super) enum Words<'a> {
    Texts(Vec<String>),
    Node(&'a Node),
}

/// A source that says something.
pub(super) struct Said<'a> {
    pub(super) origin: Origin,
    pub(super) words: Words<'a>,
}

impl<'a> Said<'a> {
    fn texts(origin: Origin, texts: Vec<String>) -> Self {
        let words = Words::Texts(texts);
        Self { origin, words }
    }
}

impl<'a> Layers<'a> {
    /// The value of an option; `None` when a problem was found.
    pub(super) fn setting<T: Value>(
        &self,
        spec: &OptionSpec,
        problems: &mut Vec<Problem>,
    ) -> Option<Setting<T>> {
        let mut found: Option<Setting<T>> = None;
        for said in self.said(spec, problems)? {
            let given = match &said.words {
                Words::Texts(texts) => Given::Texts(texts),
                Words::Node(node) => Given::Node(node),
            };
            match T::read(given) {
                Ok(value) => found = Some(under(found, value, said.origin)),
                Err(wrong) => {
                    problems.push(problem(spec.key, &said, wrong));
                    return None;
                }
            }
            if !T::IS_LAYERED {
                break;
            }
        }
        if found.is_some() {
            return found;
        }
        let value = match spec.default.for_purpose(self.purpose) {
            Some(text) => T::read(Given::Texts(&[text.to_owned()])).ok(),
            None => T::absent(),
        };
        Some(Setting {
            value: value.expect("each default is read by a test"),
            origin: Origin::Default,
        })
    }

    /// What the sources say of an option, strongest first; `None` when a problem was found.
    fn said(&self, spec: &OptionSpec, problems: &mut Vec<Problem>) -> Option<Vec<Said<'a>>> {
        let mut said = Vec::new();
        if let Some(flag) = &spec.flag
            && let Some(texts) = self.flags.get(spec.key)
        {
            said.push(Said::texts(Origin::Flag(flag.name), split(spec, texts)));
        }
        for variable in spec.variables() {
            if let Some(text) = self.environment.get(variable) {
                let origin = Origin::Variable(variable.to_owned());
                said.push(Said::texts(origin, split(spec, &[text.to_owned()])));
            }
        }
        if spec.secret {
            match self.secret_files(spec) {
                Ok(files) => said.extend(files),
                Err(problem) => {
                    problems.push(problem);
                    return None;
                }
            }
        }
        if let Some((document, node)) = self.node(spec.key) {
            let origin = self.file_origin(document, node);
            said.push(Said {
                origin,
                words: Words::Node(node),
            });
        }
        if spec.secret && said.len() > 1 {
            let (first, second) = (&said[0].origin, &said[1].origin);
            let wrong = Wrong::new(format!("{first} and {second} both give a secret"))
                .hint("say it once")
                .naming_itself();
            problems.push(problem(spec.key, &said[0], wrong));
            return None;
        }
        Some(said)
    }

    /// What the files hold that a secret is said to be in.
    fn secret_files(&self, spec: &OptionSpec) -> Result<Vec<Said<'a>>, Problem> {
        let mut files: Vec<(Origin, PathBuf)> = Vec::new();
        let variable = format!("{}_FILE", spec.variable);
        if let Some(path) = self.environment.get(&variable) {
            files.push((Origin::Variable(variable), path.into()));
        }
        if let Some(directory) = self.environment.get(env_vars::CREDENTIALS_DIRECTORY) {
            let path = PathBuf::from(directory).join(format!("greenroom.{}", spec.key));
            if path.exists() {
                files.push((Origin::Credential(path.clone()), path));
            }
        }
        if let Some((document, node)) = self.node(&format!("{}_file", spec.key)) {
            let origin = self.file_origin(document, node);
            let said = Said {
                origin: origin.clone(),
                words: Words::Node(node),
            };
            let key = format!("{}_file", spec.key);
            let path = node.text().map_err(|wrong| problem(&key, &said, wrong))?;
            files.push((origin, path.into()));
        }
        let read = files.into_iter().map(|(origin, path)| {
            let text = read_secret(&path).map_err(|why| {
                let wrong = Wrong::new(format!("cannot read {}: {why}", path.display()));
                let said = Said::texts(origin.clone(), Vec::new());
                problem(spec.key, &said, wrong)
            })?;
            Ok(Said::texts(origin, vec![text.trim().to_owned()]))
        });
        read.collect()
    }

    /// What the file says at a key.
    pub(super) fn node(&self, key: &str) -> Option<(&'a Document, &'a Node)> {
        let document = self.document?;
        let mut node = &document.root;
        for part in key.split('.') {
            let members = node.table().ok()?;
            node = &members.iter().find(|member| member.key == part)?.node;
        }
        Some((document, node))
    }

    /// The place of a node.
    pub(super) fn file_origin(&self, document: &Document, node: &Node) -> Origin {
        Origin::File {
            name: document.name.clone(),
            line: document.line(node.span.start),
        }
    }
}

/// A value over what stronger sources said.
fn under<T: Value>(stronger: Option<Setting<T>>, value: T, origin: Origin) -> Setting<T> {
    let Some(stronger) = stronger else {
        return Setting { value, origin };
    };
    let mut origins = match stronger.origin {
        Origin::Several(origins) => origins,
        other => vec![other],
    };
    origins.push(origin);
    Setting {
        value: stronger.value.over(value),
        origin: Origin::Several(origins),
    }
}

/// What is wrong, with who said it.
pub(super) fn problem(key: &str, said: &Said<'_>, wrong: Wrong) -> Problem {
    let (source, in_file, wrong) = match (&said.origin, &said.words) {
        (_, Words::Node(node)) => (format!("`{key}`"), true, wrong.at(node.span.clone())),
        (origin, Words::Texts(_)) => (origin.to_string(), false, wrong),
    };
    Problem {
        source,
        wrong: Box::new(wrong),
        in_file,
    }
}

fn split(spec: &OptionSpec, texts: &[String]) -> Vec<String> {
    if !spec.is_list {
        return texts.to_vec();
    }
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The text of a file that holds a secret.
pub(crate) fn read_secret(path: &std::path::Path) -> Result<String, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if length > SECRET_FILE_BYTES_MAX {
        return Err("it is too large for a secret".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

impl Fallback {
    /// The text that stands for the option when nobody says anything.
    pub(crate) const fn for_purpose(self, purpose: Purpose) -> Option<&'static str> {
        match (self, purpose) {
            (Self::Nothing, _) => None,
            (Self::Text(text), _)
            | (Self::Differs { dev: text, .. }, Purpose::Dev)
            | (Self::Differs { serve: text, .. }, Purpose::Serve) => Some(text),
        }
    }
}
