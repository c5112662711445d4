//! Every environment variable that the command reads.

/// `--server`.
pub(crate) const URL: &str = "GREENROOM_URL";
/// `--token`.
pub(crate) const TOKEN: &str = "GREENROOM_TOKEN";
/// `--listen`.
pub(crate) const LISTEN: &str = "GREENROOM_LISTEN";
/// `--data`.
pub(crate) const DATA: &str = "GREENROOM_DATA";
/// `--origin`, several with commas between.
pub(crate) const ORIGIN: &str = "GREENROOM_ORIGIN";
/// `--rooms`, several with commas between.
pub(crate) const ROOMS: &str = "GREENROOM_ROOMS";
/// `--lan`: `1` or `0`, and what else means yes or no.
pub(crate) const LAN: &str = "GREENROOM_LAN";
/// `--insecure`: `1` or `0`, and what else means yes or no.
pub(crate) const INSECURE: &str = "GREENROOM_INSECURE";
/// `--compression`: `1` or `0`, and what else means yes or no.
pub(crate) const COMPRESSION: &str = "GREENROOM_COMPRESSION";
/// `--free-bytes-min`.
pub(crate) const FREE_BYTES_MIN: &str = "GREENROOM_FREE_BYTES_MIN";
/// `--free-percent-min`.
pub(crate) const FREE_PERCENT_MIN: &str = "GREENROOM_FREE_PERCENT_MIN";
/// `--log`.
pub(crate) const LOG: &str = "GREENROOM_LOG";
/// A secret key (`sk_..`). No flag, since every program on a machine sees the flags of all.
pub(crate) const SECRET_KEY: &str = "GREENROOM_SECRET_KEY";
/// A file that holds a secret key.
pub(crate) const SECRET_KEY_FILE: &str = "GREENROOM_SECRET_KEY_FILE";
/// Where systemd puts credentials; the file `greenroom.secret_key` in it holds a secret key.
pub(crate) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The port to listen on, as hosting platforms say it; `--listen` wins.
pub(crate) const PORT: &str = "PORT";
/// What is logged, in the words of `tracing-subscriber`'s `EnvFilter`.
pub(crate) const RUST_LOG: &str = "RUST_LOG";
/// No colours when set to anything (no-color.org).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Colours also where the output is no terminal, when set to anything but `0`.
pub(crate) const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";

/// The value of `name`; an empty one counts as none.
pub(crate) fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
