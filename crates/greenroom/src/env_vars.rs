//! Every environment variable that the command reads, beside those of options, which are declared in
//! `config/options.rs` and follow from `limits.rs` of the core.

/// A variable that is no option of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $doc])+ pub(crate) const $constant: &str = $name;)+

        /// All of them, for the reference.
        pub(crate) const ALL: &[Variable] = &[$(Variable {
            name: $name,
            doc: concat!($($doc),+),
        }),+];
    };
}

variables! {
    /// `--config`: the configuration file, TOML or JSON.
    CONFIG = "GREENROOM_CONFIG";
    /// `--server`: the server that the tools talk to.
    URL = "GREENROOM_URL";
    /// `--token`: what the tools show to the server.
    TOKEN = "GREENROOM_TOKEN";
    /// A file that holds it, when neither the flag nor the variable does.
    TOKEN_FILE = "GREENROOM_TOKEN_FILE";
    /// Where systemd puts credentials: the file `greenroom.secret_key` in it holds a secret key.
    CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY";
    /// The port to listen on, as hosting platforms say it. It replaces the port of the file or of
    /// the default; `--listen` and `GREENROOM_LISTEN` win.
    PORT = "PORT";
    /// Where systemd is told how it goes (sd_notify(3)).
    NOTIFY_SOCKET = "NOTIFY_SOCKET";
    /// How long systemd waits for a sign of life, in microseconds.
    WATCHDOG_USEC = "WATCHDOG_USEC";
    /// The process whose signs of life those are.
    WATCHDOG_PID = "WATCHDOG_PID";
    /// No colours when set to anything (no-color.org).
    NO_COLOR = "NO_COLOR";
    /// Colours also where the output is no terminal, when set to anything but `0`.
    CLICOLOR_FORCE = "CLICOLOR_FORCE";
}

/// `data`, also for the commands that are no server.
pub(crate) const DATA: &str = "GREENROOM_DATA";

/// The value of `name`; an empty one counts as none.
pub(crate) fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
