//! The flags of the server's commands, made of the table of options.

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::options::{OPTIONS, OptionSpec};
use super::schema::names_of;
use crate::env_vars;
use crate::server_plan::Purpose;

const CONFIG: &str = "config";

/// What was typed, by the key of the option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    given: BTreeMap<&'static str, Vec<String>>,
    /// `--config`.
    pub(crate) config: Option<String>,
}

impl Flags {
    /// What was typed for the option of this key.
    pub(super) fn get(&self, key: &str) -> Option<&[String]> {
        self.given.get(key).map(Vec::as_slice)
    }

    /// As if this was typed.
    pub(crate) fn with(mut self, key: &'static str, texts: &[&str]) -> Self {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.given.insert(key, texts);
        self
    }

    fn augment(command: Command, purpose: Option<Purpose>) -> Command {
        let shown = OPTIONS.iter().filter(|spec| is_of(spec, purpose));
        let command = shown.fold(command, |command, spec| match arg(spec, purpose) {
            Some(arg) => command.arg(arg),
            None => command,
        });
        command.arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .env(env_vars::CONFIG)
                .hide_env_values(true)
                .help("Configuration file, TOML or JSON"),
        )
    }

    fn take(matches: &ArgMatches, purpose: Option<Purpose>) -> Self {
        let mut given = BTreeMap::new();
        for spec in OPTIONS.iter().filter(|spec| is_of(spec, purpose)) {
            if spec.flag.is_none() || !typed(matches, spec.key) {
                continue;
            }
            if let Some(texts) = matches.get_many::<String>(spec.key) {
                given.insert(spec.key, texts.cloned().collect());
            }
        }
        Self {
            given,
            config: match typed(matches, CONFIG) {
                true => matches.get_one::<String>(CONFIG).cloned(),
                false => None,
            },
        }
    }
}

/// Whether a flag was typed, and not set by its variable.
fn typed(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(ValueSource::CommandLine)
}

/// Whether the command has the option. `config show` has those of both, but for the name of its own
/// `--origin`, which shows where values come from.
fn is_of(spec: &OptionSpec, purpose: Option<Purpose>) -> bool {
    match purpose {
        Some(purpose) => spec.commands.has(purpose),
        None => spec.key != "origins",
    }
}

fn arg(spec: &'static OptionSpec, purpose: Option<Purpose>) -> Option<Arg> {
    let flag = spec.flag?;
    let mut help = spec.doc_text();
    let usual = spec.default.for_purpose(purpose.unwrap_or(Purpose::Serve));
    if let (false, Some(text)) = (spec.is_switch, usual) {
        help.push_str(&format!(" [default: {text}]"));
    }
    if let Some(names) = names_of(&(spec.schema)()) {
        help.push_str(&format!(" [possible values: {}]", names.join(", ")));
    }
    let arg = Arg::new(spec.key)
        .long(flag.name)
        .value_name(flag.value)
        // Named in the help; its value is taken in its turn, see `Flags::take`.
        .env(spec.variable)
        .hide_env_values(true)
        .help(help);
    Some(if spec.is_switch {
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else if spec.is_list {
        arg.action(ArgAction::Append)
    } else {
        arg.action(ArgAction::Set)
    })
}

macro_rules! flags_of {
    ($($(#[doc = $doc:literal])+ $name:ident: $has:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) Flags);

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                Flags::augment(command, $has)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Flags::augment(command, $has)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(Flags::take(matches, $has)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self(Flags::take(matches, $has));
                Ok(())
            }
        }
    )+};
}

flags_of! {
    /// The flags of `dev`.
    DevFlags: Some(Purpose::Dev);
    /// The flags of `serve`.
    ServeFlags: Some(Purpose::Serve);
    /// The flags of both, for `config show`.
    AnyFlags: None;
}
