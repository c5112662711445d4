//! What `dev` and `serve` are to do: the one place where options become settings.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use greenroom_server::auth::{
    Authenticator, Keys, OriginPolicy, Pattern, Reach, SecretKey, create_keys, read_keys,
};
use greenroom_server::hooks::HookRules;
use greenroom_server::store::FreeLimits;
use greenroom_server::{AcmeOrder, Front, Kind, Policy, TlsFiles, TlsSource};

use crate::config::{HINT_SECRET, Options, Resolved, RoomRule, Secret, Text};
use crate::failure::Failure;
use crate::key_source::HINT_CREATE;
use crate::time_text::now_unix_s;

/// Where account and certificates of an ACME directory are kept, in the data directory.
const ACME_FOLDER: &str = "acme";

/// Everything that starting a server needs.
#[derive(Debug)]
pub(crate) struct ServerPlan {
    /// Which command it is.
    pub(crate) purpose: Purpose,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where data is kept.
    pub(crate) place: Place,
    /// Who may do what in which rooms.
    pub(crate) policy: Policy,
    /// What the rooms are, by pattern.
    pub(crate) kinds: Vec<(Pattern, Option<Kind>)>,
    /// What must stay free on the disk of the data.
    pub(crate) disk_free: FreeLimits,
    /// How long a graceful stop may take.
    pub(crate) drain_ms: u64,
    /// How it is reached.
    pub(crate) front: Front,
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The plan of a command. For `dev` it makes the keys file where there is none.
///
/// # Errors
/// When the keys cannot be read or made, or others could reach a server without a key.
pub(crate) fn plan(resolved: &Resolved) -> Result<ServerPlan, Failure> {
    let options = &resolved.options;
    let listen = options.listen.value.0;
    let place = options.data.value.0.clone();
    let mut remarks: Vec<Remark> = Vec::new();
    remarks.extend(resolved.warnings.iter().cloned().map(Remark::Warning));
    remarks.extend(resolved.notes.iter().cloned().map(Remark::Note));
    let (authenticator, reach) = match resolved.purpose {
        Purpose::Dev => access_of_dev(options, &mut remarks)?,
        Purpose::Serve => access_of_serve(options, &mut remarks)?,
    };
    let rules = options.origins.value.0.iter();
    let origins = OriginPolicy::new(reach, rules.map(|(_, rule)| rule.clone()).collect());
    let rooms = &options.rooms.value.0;
    Ok(ServerPlan {
        purpose: resolved.purpose,
        listen,
        place,
        policy: Policy {
            limits: Arc::new(options.limits.values.clone()),
            rules: rooms.iter().map(|room| room.rule.clone()).collect(),
            compression: options.compression.value,
            hooks: Arc::new(hooks(options)?),
            ..Policy::new(authenticator, origins)
        },
        kinds: room_kinds(rooms),
        disk_free: FreeLimits {
            bytes_min: options.free_bytes_min.value.0,
            percent_min: options.free_percent_min.value.0 as u8,
        },
        drain_ms: options.drain_ms.value.0,
        front: front(options)?,
        remarks,
    })
}

fn hooks(options: &Options) -> Result<HookRules, Failure> {
    let rules = options.hooks.value.0.clone();
    let secrets = options.webhooks_secret.value.as_ref();
    let secrets = secrets.map_or_else(Vec::new, |secrets| secrets.0.clone());
    if !rules.is_empty() && secrets.is_empty() {
        let message = "webhooks are signed, and there is no secret: a receiver could not tell them \
                       from what anybody sends";
        return Err(Failure::usage(message)
            .hint(HINT_SECRET)
            .hint("give it in GREENROOM_WEBHOOKS_SECRET, or its file in `webhooks.secret_file`"));
    }
    Ok(HookRules {
        rules,
        secrets,
        private: options.webhooks_private.value.1.clone(),
    })
}

fn front(options: &Options) -> Result<Front, Failure> {
    let limit = options.connections_per_ip_max.value;
    let trusted_proxies = options.trusted_proxies.value.1.clone();
    let proxy_protocol = options.proxy_protocol.value;
    if proxy_protocol && trusted_proxies.is_empty() {
        return Err(Failure::usage(
            "a PROXY header is believed of trusted proxies, and there are none",
        )
        .hint("name them: `--trusted-proxies 10.0.0.7`"));
    }
    Ok(Front {
        tls: tls_source(options)?,
        trusted_proxies,
        proxy_protocol,
        base_path: options.base_path.value.0.clone(),
        connections_per_ip_max: limit.map(|limit| limit.0 as u32),
    })
}

fn tls_source(options: &Options) -> Result<Option<TlsSource>, Failure> {
    let domains = options.acme.value.0.clone();
    let text = |value: &Option<Text>| value.as_ref().map(|text| text.0.clone());
    match (&options.tls_cert.value, &options.tls_key.value) {
        (Some(_), Some(_)) if !domains.is_empty() => {
            let message = "a certificate from files and one by ACME: one is enough";
            Err(Failure::usage(message).hint("leave out --acme, or --tls-cert and --tls-key"))
        }
        (Some(cert), Some(key)) => Ok(Some(TlsSource::Files(TlsFiles {
            cert: cert.0.clone().into(),
            key: key.0.clone().into(),
        }))),
        (Some(_), None) => Err(Failure::usage("--tls-cert needs --tls-key")
            .hint("name the private key of the certificate: `--tls-key FILE`")),
        (None, Some(_)) => Err(Failure::usage("--tls-key needs --tls-cert")
            .hint("name the certificate of the key: `--tls-cert FILE`")),
        (None, None) if domains.is_empty() => Ok(None),
        (None, None) => {
            let Place::Directory(data) = &options.data.value.0 else {
                let message = "--acme needs a data directory: a certificate that is forgotten is \
                     ordered anew at each start, and directories allow few";
                return Err(Failure::usage(message).hint("add `--data DIR`"));
            };
            Ok(Some(TlsSource::Acme(AcmeOrder {
                domains,
                email: text(&options.acme_email.value),
                directory: text(&options.acme_directory.value),
                folder: data.join(ACME_FOLDER),
            })))
        }
    }
}

fn access_of_dev(
    options: &Options,
    remarks: &mut Vec<Remark>,
) -> Result<(Authenticator, Reach), Failure> {
    let listen = options.listen.value.0;
    let keys = match &options.data.value.0 {
        Place::Memory => Keys::none().with(SecretKey::generate()?),
        Place::Directory(data) => read_or_create_keys(data)?,
    };
    if !listen.ip().is_loopback() {
        remarks.push(Remark::Warning(anyone_could(listen)));
    }
    let reach = match options.lan.value {
        true => Reach::Lan,
        false => Reach::Local,
    };
    Ok((
        Authenticator::development(with_secret(keys, options)),
        reach,
    ))
}

/// Without a key it is for this machine only.
fn access_of_serve(
    options: &Options,
    remarks: &mut Vec<Remark>,
) -> Result<(Authenticator, Reach), Failure> {
    let listen = options.listen.value.0;
    let in_directory = match &options.data.value.0 {
        Place::Memory => None,
        Place::Directory(data) => read_keys(data)?,
    };
    let keys = with_secret(in_directory.unwrap_or_else(Keys::none), options);
    let near = listen.ip().is_loopback();
    if options.insecure.value {
        remarks.push(Remark::Warning(anyone_could(listen)));
        let reach = if near { Reach::Local } else { Reach::Public };
        return Ok((Authenticator::open(keys), reach));
    }
    if !keys.is_empty() {
        return Ok((Authenticator::keyed(keys), Reach::Public));
    }
    if near {
        remarks.push(Remark::Note(
            "no key: listening on this machine only, open to everybody on it".to_owned(),
        ));
        remarks.push(Remark::Hint(HINT_CREATE.to_owned()));
        return Ok((Authenticator::open(keys), Reach::Local));
    }
    Err(refusal(listen))
}

fn with_secret(keys: Keys, options: &Options) -> Keys {
    match &options.secret_key.value {
        Some(Secret(key)) => keys.with(key.clone()),
        None => keys,
    }
}

fn room_kinds(rooms: &[RoomRule]) -> Vec<(Pattern, Option<Kind>)> {
    let kind = |room: &RoomRule| {
        let kind = room.kind.and_then(Kind::built_in);
        (room.rule.pattern.clone(), kind)
    };
    rooms.iter().map(kind).collect()
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
