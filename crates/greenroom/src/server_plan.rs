//! What `dev` and `serve` are to do, resolved once: flag, then environment, then default.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use greenroom_server::auth::{
    Authenticator, Keys, OriginPolicy, OriginRule, Pattern, Reach, SecretKey, create_keys,
    read_keys,
};
use greenroom_server::store::FreeLimits;
use greenroom_server::{BUILT_IN_KINDS, Kind};

use crate::cli::{DevOptions, ServeOptions, ServerOptions};
use crate::env_vars;
use crate::failure::Failure;
use crate::key_source::{HINT_CREATE, with_environment};
use crate::time_text::now_unix_s;

const DEFAULT_PORT: u16 = 8080;

/// Everything that starting a server needs.
#[derive(Debug)]
pub(crate) struct ServerPlan {
    /// Which command it is.
    pub(crate) purpose: Purpose,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where data is kept.
    pub(crate) place: Place,
    /// Who may do what.
    pub(crate) authenticator: Authenticator,
    /// Which pages may connect.
    pub(crate) origins: OriginPolicy,
    /// What the rooms are, by pattern.
    pub(crate) kinds: Vec<(Pattern, Kind)>,
    /// Whether connections that ask for it are compressed.
    pub(crate) compression: bool,
    /// What must stay free on the disk of the data.
    pub(crate) disk_free: FreeLimits,
    /// What the operator should know before it starts.
    pub(crate) remarks: Vec<Remark>,
}

/// Which command a server runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `dev`
    Dev,
    /// `serve`
    Serve,
}

/// Where data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: it ends with the process.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

/// One line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// How it is.
    Note(String),
    /// What may be wrong with that.
    Warning(String),
    /// What to type.
    Hint(String),
}

impl Place {
    fn parse(text: &str) -> Self {
        match text {
            ":memory:" => Self::Memory,
            directory => Self::Directory(directory.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The plan of `dev`. Makes the keys file where there is none.
///
/// # Errors
/// When an option is not good, or the keys cannot be read or made.
pub(crate) fn for_dev(options: &DevOptions) -> Result<ServerPlan, Failure> {
    let (ip, reach) = if options.lan {
        (Ipv4Addr::UNSPECIFIED, Reach::Lan)
    } else {
        (Ipv4Addr::LOCALHOST, Reach::Local)
    };
    let listen = listen_address(&options.server, ip)?;
    let rules = origin_rules(&options.server)?;
    let place = Place::parse(&options.data);
    let keys = match &place {
        Place::Memory => Keys::none().with(SecretKey::generate()?),
        Place::Directory(data) => read_or_create_keys(data)?,
    };
    let mut remarks = Vec::new();
    if !listen.ip().is_loopback() {
        remarks.push(Remark::Warning(anyone_could(listen)));
    }
    Ok(ServerPlan {
        purpose: Purpose::Dev,
        listen,
        place,
        authenticator: Authenticator::development(with_environment(keys)?),
        origins: OriginPolicy::new(reach, rules),
        kinds: room_kinds(&options.server)?,
        compression: options.server.compression,
        disk_free: disk_free(&options.server),
        remarks,
    })
}

/// The plan of `serve`. Without a key it is for this machine only.
///
/// # Errors
/// When an option is not good, the keys cannot be read, or others could reach a server without a
/// key.
pub(crate) fn for_serve(options: &ServeOptions) -> Result<ServerPlan, Failure> {
    let listen = listen_address(&options.server, Ipv4Addr::LOCALHOST)?;
    let rules = origin_rules(&options.server)?;
    let place = Place::parse(&options.data);
    let in_directory = match &place {
        Place::Memory => None,
        Place::Directory(data) => read_keys(data)?,
    };
    let keys = with_environment(in_directory.unwrap_or_else(Keys::none))?;
    let near = listen.ip().is_loopback();
    let mut remarks = Vec::new();
    let (authenticator, reach) = if options.insecure {
        remarks.push(Remark::Warning(anyone_could(listen)));
        let reach = if near { Reach::Local } else { Reach::Public };
        (Authenticator::open(keys), reach)
    } else if !keys.is_empty() {
        (Authenticator::keyed(keys), Reach::Public)
    } else if near {
        remarks.push(Remark::Note(
            "no key: listening on this machine only, open to everybody on it".to_owned(),
        ));
        remarks.push(Remark::Hint(HINT_CREATE.to_owned()));
        (Authenticator::open(keys), Reach::Local)
    } else {
        return Err(refusal(listen));
    };
    Ok(ServerPlan {
        purpose: Purpose::Serve,
        listen,
        place,
        authenticator,
        origins: OriginPolicy::new(reach, rules),
        kinds: room_kinds(&options.server)?,
        compression: options.server.compression,
        disk_free: disk_free(&options.server),
        remarks,
    })
}

fn refusal(listen: SocketAddr) -> Failure {
    Failure::usage(format!(
        "refusing to listen on {listen} without a key: anyone could read and change every room"
    ))
    .hint(HINT_CREATE)
    .hint("for a trial on this machine: `greenroom dev`")
    .hint("to have it so all the same: `--insecure`")
}

fn anyone_could(listen: SocketAddr) -> String {
    format!("anyone who reaches {listen} can read and change every room")
}

fn read_or_create_keys(data: &Path) -> Result<Keys, Failure> {
    match read_keys(data)? {
        Some(keys) => Ok(keys),
        None => Ok(create_keys(data, now_unix_s())?),
    }
}

fn origin_rules(options: &ServerOptions) -> Result<Vec<OriginRule>, Failure> {
    let rules = options.origin.iter().map(|text| text.trim().parse());
    Ok(rules.collect::<Result<_, _>>()?)
}

fn disk_free(options: &ServerOptions) -> FreeLimits {
    FreeLimits {
        bytes_min: options.free_bytes_min,
        percent_min: options.free_percent_min,
    }
}

/// Reads `PATTERN=KIND`.
fn room_kinds(options: &ServerOptions) -> Result<Vec<(Pattern, Kind)>, Failure> {
    let read = |text: &String| {
        let known = || BUILT_IN_KINDS.join(", ");
        let (pattern, kind) = text.rsplit_once('=').ok_or_else(|| {
            Failure::usage(format!("`{text}` does not say what the rooms are")).hint(format!(
                "write `--rooms 'counter/*=counter'`; kinds: {}",
                known()
            ))
        })?;
        let kind = Kind::built_in(kind).ok_or_else(|| {
            Failure::usage(format!("`{kind}` is no kind of room"))
                .hint(format!("kinds: {}", known()))
        })?;
        let pattern = pattern.parse::<Pattern>();
        let pattern = pattern.map_err(|error| Failure::usage(error.to_string()))?;
        Ok((pattern, kind))
    };
    options.rooms.iter().map(read).collect()
}

fn listen_address(options: &ServerOptions, default_ip: Ipv4Addr) -> Result<SocketAddr, Failure> {
    let port = env_vars::get(env_vars::PORT);
    resolve_listen(options.listen.as_deref(), port.as_deref(), default_ip)
}

fn resolve_listen(
    listen: Option<&str>,
    port: Option<&str>,
    default_ip: Ipv4Addr,
) -> Result<SocketAddr, Failure> {
    if let Some(text) = listen {
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        return numeric.parse().map_err(|_| {
            Failure::usage(format!("`{text}` is not an address with a port"))
                .hint("write `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`")
        });
    }
    let port = match port {
        Some(text) => text.parse().map_err(|_| {
            Failure::usage(format!("PORT is `{text}`, which is no port"))
                .hint("a port is a number up to 65535")
        })?,
        None => DEFAULT_PORT,
    };
    Ok(SocketAddr::new(IpAddr::V4(default_ip), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_port_of_the_platform() {
        let check = |listen, port, expected: Result<&str, &str>| {
            let resolved = resolve_listen(listen, port, Ipv4Addr::LOCALHOST);
            let resolved = resolved.map(|a| a.to_string()).map_err(|e| e.message);
            assert_eq!(resolved, expected.map(str::to_owned).map_err(str::to_owned));
        };
        check(None, None, Ok("127.0.0.1:8080"));
        check(None, Some("9000"), Ok("127.0.0.1:9000"));
        check(Some("0.0.0.0:1"), Some("9000"), Ok("0.0.0.0:1"));
        check(Some("localhost:0"), None, Ok("127.0.0.1:0"));
        check(Some("[::1]:80"), None, Ok("[::1]:80"));
        check(
            Some("8080"),
            None,
            Err("`8080` is not an address with a port"),
        );
        check(None, Some("x"), Err("PORT is `x`, which is no port"));
        check(
            None,
            Some("65536"),
            Err("PORT is `65536`, which is no port"),
        );
    }
}
