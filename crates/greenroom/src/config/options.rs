//! The table of options. See the folder's `mod.rs` for how to add one.

use serde_json::Value as Json;

use super::hooks::{HookSecrets, Hooks};
use super::layers::{Layers, Origin, Setting};
use super::limits::{LIMITS, LimitSettings};
use super::problem::Problem;
use super::reached::{Mount, Proxies, Text, Texts};
use super::rooms::Rooms;
use super::value::{
    Address, Bytes, Directory, LogFilter, LogForm, Milliseconds, Origins, Secret, Value, Whole,
};
use crate::server_plan::Purpose;

/// An option, as it is declared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionSpec {
    /// Its key in `greenroom.toml`, with dots between tables.
    pub(crate) key: &'static str,
    /// Its variable.
    pub(crate) variable: &'static str,
    /// A variable of others that is honoured too, after its own.
    pub(crate) also: Option<&'static str>,
    /// Its flag.
    pub(crate) flag: Option<Flag>,
    /// What holds when nobody says anything.
    pub(crate) default: Fallback,
    /// Whether SIGHUP takes a changed value.
    pub(crate) reload: Reload,
    /// The commands that have it.
    pub(crate) commands: Commands,
    /// Never shown, and read from files too: `_FILE`, the credentials directory.
    pub(crate) secret: bool,
    /// What it means, in lines.
    pub(crate) doc: &'static [&'static str],
    pub(crate) is_switch: bool,
    pub(crate) is_list: bool,
    pub(crate) schema: fn() -> Json,
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// What stands for its value in the help.
    pub(crate) value: &'static str,
}

/// What holds when nobody says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    /// Nothing, an empty list.
    Nothing,
    /// This, as a flag would say it.
    Text(&'static str),
    /// One for `dev` and one for `serve`.
    Differs {
        dev: &'static str,
        serve: &'static str,
    },
}

/// Whether a running server takes a changed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// At once, for what comes from then on.
    Taken,
    /// For rooms that are loaded, and connections that are made, from then on.
    ForNew,
    /// Not before a restart.
    NeedsRestart,
}

impl Reload {
    /// The word for the reference and for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::ForNew => "for new",
            Self::NeedsRestart => "restart",
        }
    }
}

/// The commands that have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    Both,
    Dev,
    Serve,
}

impl Commands {
    /// Whether `purpose` is one of them.
    pub(crate) const fn has(self, purpose: Purpose) -> bool {
        matches!(
            (self, purpose),
            (Self::Both, _) | (Self::Dev, Purpose::Dev) | (Self::Serve, Purpose::Serve)
        )
    }
}

impl OptionSpec {
    /// The variables that are read for it, strongest first.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.variable).chain(self.also)
    }

    /// What it means, in one line.
    pub(crate) fn doc_text(&self) -> String {
        let lines: Vec<_> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

/// An option with its value, for those who show it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// `None`: there is none, or it is a secret.
    pub(crate) value: Option<Json>,
    /// Set, and not to be shown.
    pub(crate) hidden: bool,
    pub(crate) origin: Origin,
    pub(crate) reload: Reload,
}

const fn flag(name: &'static str, value: &'static str) -> Option<Flag> {
    Some(Flag { name, value })
}

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty {
            key: $key:literal, variable: $variable:literal, flag: $flag:expr,
            default: $default:expr, reload: $reload:ident, commands: $commands:ident
            $(, also: $also:literal)? $(, secret: $secret:literal)? $(,)?
        }
    )+) => {
        /// The options, read.
        #[derive(Clone, Debug)]
        pub(crate) struct Options {
            $($(#[doc = $doc])+ pub(crate) $field: Setting<$type>,)+
            /// The limits: all of `limits.rs` in the core.
            pub(crate) limits: LimitSettings,
        }

        /// The options, declared, without the limits.
        pub(crate) const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            key: $key,
            variable: $variable,
            also: options!(@or None $(, Some($also))?),
            flag: $flag,
            default: $default,
            reload: Reload::$reload,
            commands: Commands::$commands,
            secret: options!(@or false $(, $secret)?),
            doc: &[$($doc),+],
            is_switch: <$type as Value>::IS_SWITCH,
            is_list: <$type as Value>::IS_LIST,
            schema: <$type as Value>::schema,
        }),+];

        impl Options {
            /// Reads all, so that all problems are found at once.
            pub(super) fn read(layers: &Layers<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
                $(let $field = layers.setting::<$type>(spec($key), problems);)+
                let limits = LimitSettings::read(layers, problems);
                Some(Self { $($field: $field?,)+ limits: limits? })
            }

            /// Takes from `running` what only a restart changes.
            pub(crate) fn keep_fixed(&mut self, running: &Self) {
                $(if Reload::$reload == Reload::NeedsRestart {
                    self.$field = running.$field.clone();
                })+
            }

            /// All that `purpose` has, in the order of the table, then the limits.
            pub(crate) fn entries(&self, purpose: Purpose) -> Vec<Entry> {
                let mut entries = Vec::new();
                $(if Commands::$commands.has(purpose) {
                    let Setting { value, origin } = &self.$field;
                    let shown = value.shown();
                    entries.push(Entry {
                        key: $key.to_owned(),
                        hidden: spec($key).secret && *origin != Origin::Default,
                        value: shown,
                        origin: origin.clone(),
                        reload: Reload::$reload,
                    });
                })+
                entries.extend(self.limits.entries());
                entries
            }
        }
    };
    (@or $default:expr) => { $default };
    (@or $default:expr, $value:expr) => { $value };
}

impl Options {
    /// What is logged, if that was said.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.log_filter
            .value
            .as_ref()
            .map(|filter| filter.0.as_str())
    }
}

/// The option of this key.
pub(crate) fn spec(key: &str) -> &'static OptionSpec {
    let spec = OPTIONS.iter().find(|spec| spec.key == key);
    spec.expect("the table makes both the keys and the options")
}

/// The top-level tables that hold options, beside lists of tables.
pub(super) fn known_keys(prefix: &str) -> Vec<&'static str> {
    let mut keys: Vec<&'static str> = Vec::new();
    let add = |keys: &mut Vec<&'static str>, key: &'static str| {
        if let Some(rest) = key.strip_prefix(prefix) {
            let name = rest.split('.').next().unwrap_or(rest);
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
    };
    for spec in OPTIONS {
        add(&mut keys, spec.key);
    }
    if prefix.is_empty() {
        keys.push(LIMITS);
    }
    keys
}

options! {
    /// Address and port to listen on; port 0 picks a free one. PORT, set by hosting platforms,
    /// replaces the port of the file or the default
    listen: Address {
        key: "listen", variable: "GREENROOM_LISTEN", flag: flag("listen", "ADDR:PORT"),
        default: Fallback::Text("127.0.0.1:8080"), reload: NeedsRestart, commands: Both,
    }
    /// Where data is kept; `:memory:` keeps nothing
    data: Directory {
        key: "data", variable: "GREENROOM_DATA", flag: flag("data", "DIR"),
        default: Fallback::Differs { dev: "./.greenroom", serve: "./data" },
        reload: NeedsRestart, commands: Both,
    }
    /// Listen on every address, and answer the local network
    lan: bool {
        key: "lan", variable: "GREENROOM_LAN", flag: flag("lan", "YES"),
        default: Fallback::Text("false"), reload: NeedsRestart, commands: Dev,
    }
    /// Ask nobody for a token: anyone who reaches the port can read and change every room
    insecure: bool {
        key: "insecure", variable: "GREENROOM_INSECURE", flag: flag("insecure", "YES"),
        default: Fallback::Text("false"), reload: NeedsRestart, commands: Serve,
    }
    /// A key that signs and verifies tokens, beside those of the keys file in the data directory.
    /// No flag: every program on a machine sees the flags of all
    secret_key: Option<Secret> {
        key: "secret_key", variable: "GREENROOM_SECRET_KEY", flag: None,
        default: Fallback::Nothing, reload: Taken, commands: Both, secret: true,
    }
    /// Pages that may connect: `https://app.example.com`, `*.example.com` or `*`; repeatable
    origins: Origins {
        key: "origins", variable: "GREENROOM_ORIGIN", flag: flag("origin", "ORIGIN"),
        default: Fallback::Nothing, reload: Taken, commands: Both,
    }
    /// What rooms are, by name: `counter/*=counter` (kinds: collab, relay, echo, counter);
    /// repeatable. Rules of the file say more: rights, visibility, limits
    rooms: Rooms {
        key: "rooms", variable: "GREENROOM_ROOMS", flag: flag("rooms", "PATTERN=KIND"),
        default: Fallback::Nothing, reload: ForNew, commands: Both,
    }
    /// Webhooks, by name: `on_change:notes/*=https://app.example.com/changed`; repeatable. Rules of
    /// the file say more: what is told, and when
    hooks: Hooks {
        key: "hooks", variable: "GREENROOM_HOOKS", flag: flag("hooks", "HOOK:PATTERN=URL"),
        default: Fallback::Nothing, reload: ForNew, commands: Both,
    }
    /// What webhooks are signed with: `whsec_` and base64; several, with spaces between, while one is
    /// being replaced by another
    webhooks_secret: Option<HookSecrets> {
        key: "webhooks.secret", variable: "GREENROOM_WEBHOOKS_SECRET", flag: None,
        default: Fallback::Nothing, reload: Taken, commands: Both, secret: true,
    }
    /// Private addresses that webhooks may go to: addresses, blocks (`10.0.0.0/8`) or `private`;
    /// without it they go to the public internet only
    webhooks_private: Proxies {
        key: "webhooks.private", variable: "GREENROOM_WEBHOOKS_PRIVATE",
        flag: flag("webhooks-private", "NETS"),
        default: Fallback::Nothing, reload: Taken, commands: Both,
    }
    /// Compress what connections that ask for it are sent: fewer bytes for more processor time
    compression: bool {
        key: "compression", variable: "GREENROOM_COMPRESSION", flag: flag("compression", "YES"),
        default: Fallback::Text("false"), reload: ForNew, commands: Both,
    }
    /// Refuse writes while fewer bytes than this are free on the disk of the data
    free_bytes_min: Bytes<0, { 1 << 40 }> {
        key: "free_bytes_min", variable: "GREENROOM_FREE_BYTES_MIN",
        flag: flag("free-bytes-min", "SIZE"),
        default: Fallback::Text("256MiB"), reload: NeedsRestart, commands: Both,
    }
    /// Refuse writes while less of the disk is free, if that is less than those bytes
    free_percent_min: Whole<0, 90> {
        key: "free_percent_min", variable: "GREENROOM_FREE_PERCENT_MIN",
        flag: flag("free-percent-min", "N"),
        default: Fallback::Text("5"), reload: NeedsRestart, commands: Both,
    }
    /// Certificate with its chain (PEM): serve https and wss. It is read anew when it changes, and
    /// on SIGHUP
    tls_cert: Option<Text> {
        key: "tls.cert", variable: "GREENROOM_TLS_CERT", flag: flag("tls-cert", "FILE"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// The private key of the certificate (PEM)
    tls_key: Option<Text> {
        key: "tls.key", variable: "GREENROOM_TLS_KEY", flag: flag("tls-key", "FILE"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// Get a certificate for this domain from Let's Encrypt, which must reach the server on port
    /// 443; repeatable. Only in a program that was built with `--features acme`
    acme: Texts {
        key: "tls.acme", variable: "GREENROOM_ACME", flag: flag("acme", "DOMAIN"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// Who is told before that certificate ends
    acme_email: Option<Text> {
        key: "tls.acme_email", variable: "GREENROOM_ACME_EMAIL",
        flag: flag("acme-email", "EMAIL"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// Another ACME directory than Let's Encrypt's
    acme_directory: Option<Text> {
        key: "tls.acme_directory", variable: "GREENROOM_ACME_DIRECTORY",
        flag: flag("acme-directory", "URL"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// Proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` are believed: addresses,
    /// blocks (`10.0.0.0/8`) or `private`; repeatable
    trusted_proxies: Proxies {
        key: "trusted_proxies", variable: "GREENROOM_TRUSTED_PROXIES",
        flag: flag("trusted-proxies", "ADDRESSES"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// Trusted proxies begin each connection with a PROXY header (version 1 or 2)
    proxy_protocol: bool {
        key: "proxy_protocol", variable: "GREENROOM_PROXY_PROTOCOL",
        flag: flag("proxy-protocol", "YES"),
        default: Fallback::Text("false"), reload: NeedsRestart, commands: Both,
    }
    /// Path that the server is mounted under, for example `/collab`; it answers with and without it
    base_path: Mount {
        key: "base_path", variable: "GREENROOM_BASE_PATH", flag: flag("base-path", "PATH"),
        default: Fallback::Text("/"), reload: NeedsRestart, commands: Both,
    }
    /// WebSocket connections of one address, of IPv6 of one /64; without it there is no limit,
    /// since a school, or a proxy that is not trusted, is one address
    connections_per_ip_max: Option<Whole<1, 1_000_000>> {
        key: "connections_per_ip_max", variable: "GREENROOM_CONNECTIONS_PER_IP_MAX",
        flag: flag("connections-per-ip-max", "N"),
        default: Fallback::Nothing, reload: NeedsRestart, commands: Both,
    }
    /// How long a stop may take: rooms are committed and connections closed meanwhile. Supervisors
    /// usually grant 30 s
    drain_ms: Milliseconds<0, 3_600_000> {
        key: "drain_ms", variable: "GREENROOM_DRAIN_MS", flag: flag("drain", "TIME"),
        default: Fallback::Text("25s"), reload: NeedsRestart, commands: Both,
    }
    /// Form of the log; auto: text on a terminal, else JSON
    log_form: LogForm {
        key: "log.form", variable: "GREENROOM_LOG_FORM", flag: flag("log", "FORM"),
        default: Fallback::Text("auto"), reload: NeedsRestart, commands: Both,
    }
    /// What is logged: `warn`, `info`, `debug`, or by place: `info,greenroom_server=debug`; without
    /// it `--quiet` and `--verbose` decide
    log_filter: Option<LogFilter> {
        key: "log.filter", variable: "GREENROOM_LOG", flag: flag("log-filter", "FILTER"),
        default: Fallback::Nothing, reload: Taken, commands: Both, also: "RUST_LOG",
    }
}
