//! From what was written to the options that hold.

use greenroom_server::Limits;
use greenroom_server::auth::SecretKey;

use super::document::{Document, USUAL_NAME};
use super::environment::Environment;
use super::flags::Flags;
use super::layers::{Layers, Origin};
use super::limits::{LIMITS, variable_of};
use super::options::{OPTIONS, Options, known_keys, spec};
use super::problem::{Problem, Wrong, failure_of, nearest, unknown_key};
use super::rooms::contradiction;
use super::tree::{Member, Node};
use super::value::{Address, Secret};
use crate::env_vars;
use crate::failure::Failure;
use crate::server_plan::Purpose;

/// The options that hold, and what should be known about how they came to be.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) purpose: Purpose,
    pub(crate) options: Options,
    /// What looks like a slip.
    pub(crate) warnings: Vec<String>,
    /// What is good to know.
    pub(crate) notes: Vec<String>,
}

/// Resolves the options of a command.
///
/// # Errors
/// All that is wrong, together.
pub(crate) fn resolve(
    purpose: Purpose,
    flags: &Flags,
    environment: &Environment,
) -> Result<Resolved, Failure> {
    let mut notes = Vec::new();
    let named = flags
        .config
        .as_deref()
        .or(environment.get(env_vars::CONFIG));
    let is_here = std::path::Path::new(USUAL_NAME).exists();
    let document = match (named, purpose) {
        (Some(name), _) => Some(Document::read(name)?),
        (None, Purpose::Dev) if is_here => {
            notes.push(format!("configuration in ./{USUAL_NAME}"));
            Some(Document::read(USUAL_NAME)?)
        }
        (None, Purpose::Serve) if is_here => {
            notes.push(format!(
                "./{USUAL_NAME} is not read: `serve` reads the file that --config names"
            ));
            None
        }
        (None, _) => None,
    };
    let layers = Layers {
        purpose,
        flags,
        environment,
        document: document.as_ref(),
    };
    let mut resolved = of_layers(&layers)?;
    resolved.notes = notes;
    Ok(resolved)
}

/// Whether a file is good, whatever flags and variables say.
///
/// # Errors
/// All that is wrong, together.
pub(crate) fn check_document(document: &Document) -> Result<Options, Failure> {
    let layers = Layers {
        purpose: Purpose::Serve,
        flags: &Flags::default(),
        environment: &Environment::default(),
        document: Some(document),
    };
    Ok(of_layers(&layers)?.options)
}

/// The secret key of the environment, for commands that are no server.
///
/// # Errors
/// When there is one and it cannot be read, or is none.
pub(crate) fn secret_key(environment: &Environment) -> Result<Option<SecretKey>, Failure> {
    let layers = Layers {
        purpose: Purpose::Serve,
        flags: &Flags::default(),
        environment,
        document: None,
    };
    let mut problems = Vec::new();
    let setting = layers.setting::<Option<Secret>>(spec("secret_key"), &mut problems);
    match setting {
        Some(setting) => Ok(setting.value.map(|Secret(key)| key)),
        None => Err(failure_of(&problems, None)),
    }
}

fn of_layers(layers: &Layers<'_>) -> Result<Resolved, Failure> {
    let mut problems = Vec::new();
    if let Some(document) = layers.document {
        unknown_keys(&document.root, "", &mut problems);
    }
    let options = Options::read(layers, &mut problems);
    let options = options.and_then(|options| with_address(options, layers, &mut problems));
    let contradiction = options
        .as_ref()
        .and_then(|options| contradiction(&options.rooms.value, &options.limits.values));
    if let Some(pattern) = contradiction {
        let what = format!(
            "the limits of the rooms `{pattern}`: `peer_dead_ms` is not above `ping_interval_ms`"
        );
        problems.push(Problem {
            source: String::new(),
            wrong: Box::new(Wrong::new(what).naming_itself()),
            in_file: false,
        });
    }
    match options {
        Some(options) if problems.is_empty() => Ok(Resolved {
            purpose: layers.purpose,
            options,
            warnings: unknown_variables(layers.environment),
            notes: Vec::new(),
        }),
        _ => {
            let place = |problem: &Problem| problem.wrong.span.as_ref().map(|span| span.start);
            problems.sort_by_key(|problem| (!problem.in_file, place(problem)));
            Err(failure_of(&problems, layers.document))
        }
    }
}

/// `--lan` and PORT have a say in the address, unless it was given by flag or variable.
fn with_address(
    mut options: Options,
    layers: &Layers<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Options> {
    let listen = &mut options.listen;
    if matches!(listen.origin, Origin::Flag(_) | Origin::Variable(_)) {
        return Some(options);
    }
    let Address(address) = &mut listen.value;
    let mut origins = vec![listen.origin.clone()];
    if layers.purpose == Purpose::Dev && options.lan.value && listen.origin == Origin::Default {
        address.set_ip(std::net::Ipv4Addr::UNSPECIFIED.into());
        origins = vec![options.lan.origin.clone()];
    }
    if let Some(port) = layers.environment.get(env_vars::PORT) {
        match port.parse() {
            Ok(port) => address.set_port(port),
            Err(_) => {
                problems.push(Problem {
                    source: env_vars::PORT.to_owned(),
                    wrong: Box::new(
                        Wrong::new(format!("`{port}` is no port"))
                            .hint("a port is a number up to 65535"),
                    ),
                    in_file: false,
                });
                return None;
            }
        }
        origins.insert(0, Origin::Variable(env_vars::PORT.to_owned()));
        origins.retain(|origin| *origin != Origin::Default);
    }
    listen.origin = match <[Origin; 1]>::try_from(origins) {
        Ok([origin]) => origin,
        Err(origins) => Origin::Several(origins),
    };
    Some(options)
}

/// Finds keys that nobody reads.
fn unknown_keys(node: &Node, prefix: &str, problems: &mut Vec<Problem>) {
    let Ok(members) = node.table() else {
        return;
    };
    for member in members {
        let key = format!("{prefix}{}", member.key);
        if OPTIONS
            .iter()
            .any(|spec| spec.key == key || is_secret_file(spec.key, spec.secret, &key))
            || (prefix.is_empty() && key == "$schema")
        {
            continue;
        }
        let limit =
            |field: &greenroom_server::LimitField| format!("{LIMITS}.{}", field.name) == key;
        if Limits::FIELDS.iter().any(limit) {
            continue;
        }
        let within = format!("{key}.");
        let is_table = key == LIMITS || OPTIONS.iter().any(|spec| spec.key.starts_with(&within));
        let wrong = match (is_table, member.node.table()) {
            (true, Ok(_)) => {
                unknown_keys(&member.node, &within, problems);
                continue;
            }
            (true, Err(wrong)) => wrong,
            (false, _) => unknown(member, prefix),
        };
        problems.push(Problem {
            source: format!("`{key}`"),
            wrong: Box::new(wrong),
            in_file: true,
        });
    }
}

fn is_secret_file(option: &str, secret: bool, key: &str) -> bool {
    secret && key.strip_suffix("_file") == Some(option)
}

fn unknown(member: &Member, prefix: &str) -> Wrong {
    let key = member.key.as_str();
    let place = match prefix.strip_suffix('.') {
        Some(table) => format!(" in [{table}]"),
        None => String::new(),
    };
    let mut known = known_keys(prefix);
    if prefix.strip_suffix('.') == Some(LIMITS) {
        known.extend(Limits::FIELDS.iter().map(|field| field.name));
    }
    let wrong = unknown_key(key, member.key_span.clone(), &place, &known);
    if wrong.label.is_some() {
        return wrong;
    }
    let elsewhere = Limits::FIELDS.iter().map(|field| (LIMITS, field.name));
    let dotted = OPTIONS
        .iter()
        .map(|spec| spec.key.rsplit_once('.').unwrap_or(("", spec.key)));
    match elsewhere.chain(dotted).find(|(_, name)| *name == key) {
        Some(("", _)) => wrong.label("it belongs at the top, before any table"),
        Some((table, _)) => wrong.label(format!("it belongs in [{table}]")),
        None => wrong,
    }
}

/// Variables that look like ours and are read by nobody. Kubernetes sets some for a service that
/// is called greenroom; nobody wrote those.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    let mut known: Vec<String> = env_vars::ALL
        .iter()
        .map(|known| known.name.to_owned())
        .collect();
    for spec in OPTIONS {
        known.push(spec.variable.to_owned());
        if spec.secret {
            known.push(format!("{}_FILE", spec.variable));
        }
    }
    known.extend(Limits::FIELDS.iter().map(variable_of));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let is_of_kubernetes = |name: &str, value: &str| {
        name.starts_with("GREENROOM_SERVICE_")
            || (name.starts_with("GREENROOM_PORT") && (value.contains("://") || name.len() > 14))
    };
    environment
        .ours()
        .filter(|(name, value)| !known.contains(name) && !is_of_kubernetes(name, value))
        .map(|(name, _)| match nearest(name, &known) {
            Some(near) => format!("nothing reads {name}; did you mean {near}?"),
            None => format!("nothing reads {name}"),
        })
        .collect()
}
