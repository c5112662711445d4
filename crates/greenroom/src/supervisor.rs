//! What supervises the process: systemd is told how it goes (sd_notify(3)), hands over sockets
//! that it opened itself, and is shown a sign of life.

use std::net::TcpListener;
use std::time::Duration;

use crate::env_vars;
use crate::failure::Failure;

/// The supervisor, where there is one that wants to be told.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
    /// A sign of life is due this often; half of what the supervisor waits.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Finds out who supervises, by the variables that it set.
    pub(crate) fn find() -> Self {
        #[cfg(unix)]
        if let Some(socket) = env_vars::get(env_vars::NOTIFY_SOCKET).and_then(|at| connect(&at)) {
            return Self {
                socket: Some(socket),
                watchdog: watchdog(
                    env_vars::get(env_vars::WATCHDOG_USEC).as_deref(),
                    env_vars::get(env_vars::WATCHDOG_PID).as_deref(),
                    std::process::id(),
                ),
            };
        }
        Self::default()
    }

    /// The server serves.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is read anew; [`Self::ready`] says when that is done.
    pub(crate) fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// The server stops.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Shows signs of life for as long as it is polled: the runtime that polls it lives.
    pub(crate) async fn watch(&self) {
        let Some(every) = self.watchdog else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            tracing::warn!(%error, "cannot tell the supervisor");
        }
        #[cfg(not(unix))]
        let _ = message;
    }
}

/// A socket that the supervisor opened for us, if it did.
///
/// # Errors
/// When there are several, or it is none that a server listens on.
pub(crate) fn inherited_listener() -> Result<Option<TcpListener>, Failure> {
    let mut handed = listenfd::ListenFd::from_env();
    if handed.len() > 1 {
        let message = format!("{} sockets were handed over, one is served", handed.len());
        return Err(Failure::usage(message).hint("leave one ListenStream= in the socket unit"));
    }
    if handed.len() == 0 {
        return Ok(None);
    }
    handed.take_tcp_listener(0).map_err(|error| {
        Failure::usage(format!(
            "cannot listen on the socket that was handed over: {error}"
        ))
        .hint("write `ListenStream=8080` into the socket unit: a TCP socket, not a datagram one")
    })
}

/// Raises the soft limit of open files to the hard one: each connection is a file. Gives the limit
/// before and after.
#[cfg(unix)]
pub(crate) fn raise_open_files() -> Option<(u64, u64)> {
    let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
    if soft < hard {
        rlimit::setrlimit(rlimit::Resource::NOFILE, hard, hard).ok()?;
    }
    Some((soft, hard))
}

#[cfg(unix)]
fn connect(at: &str) -> Option<std::os::unix::net::UnixDatagram> {
    let socket = std::os::unix::net::UnixDatagram::unbound().ok()?;
    let connected = match at.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
            socket.connect_addr(&address)
        }
        _ => socket.connect(at),
    };
    if let Err(error) = connected {
        tracing::warn!(%error, "cannot reach the supervisor that NOTIFY_SOCKET names");
        return None;
    }
    Some(socket)
}

/// Half of what the supervisor waits, if it is this process whose signs it waits for.
fn watchdog(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    meant.then(|| Duration::from_micros(usec / 2).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_comes_twice_as_often_as_it_must() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("2000000"), None, 7), second);
        assert_eq!(watchdog(Some("2000000"), Some("7"), 7), second);
        assert_eq!(watchdog(Some("2000000"), Some("8"), 7), None);
        assert_eq!(watchdog(Some("0"), None, 7), None);
        assert_eq!(watchdog(None, None, 7), None);
        assert_eq!(watchdog(Some("soon"), None, 7), None);
    }
}
