//! The command behind `dev --`: it lives as long as it wants, the server as long as it does.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};

use greenroom_server::auth::{PUBLIC_DEV_KEY, SECRET_DEV_KEY};
use tokio::sync::oneshot;

use crate::env_vars;
use crate::failure::Failure;
use crate::server_command::{Signal, Signals};

/// A command that runs, and with it all that it starts.
#[derive(Debug)]
pub(crate) struct Child {
    group: Group,
    ended: oneshot::Receiver<std::io::Result<ExitStatus>>,
}

impl Child {
    /// Starts it and tells it where the server is.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        server: SocketAddr,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::failed(format!("cannot run `{program}`: {error}"))
                .hint("what stands behind `--` is a program and its arguments: `dev -- npm test`")
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(env_vars::URL, format!("http://{server}"))
            .env("GREENROOM_PUBLIC_KEY", PUBLIC_DEV_KEY)
            .env("GREENROOM_SECRET_KEY", SECRET_DEV_KEY);
        // Whoever is not in the terminal's own group is halted when it reads from it.
        if std::io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let group = Group(child.id());
        let (tell, ended) = oneshot::channel();
        // It ends with its child, which the group sees to.
        std::thread::Builder::new()
            .name("child".into())
            .spawn(move || {
                let _ = tell.send(child.wait());
            })
            .map_err(failed)?;
        Ok(Self { group, ended })
    }

    /// Waits until it ends, passing signals on; after two to stop nothing of it is left. Gives its
    /// exit code, as a shell would.
    pub(crate) async fn run(mut self, signals: &mut Signals) -> u8 {
        let mut was_told = false;
        // Both arms are cancel-safe: the end is kept in its channel, a signal not taken is kept.
        let ended = loop {
            tokio::select! {
                ended = &mut self.ended => break ended,
                signal = signals.next() => {
                    if was_told && signal != Signal::Reload {
                        self.group.kill();
                    } else {
                        self.group.pass(signal);
                    }
                    was_told |= signal != Signal::Reload;
                }
            }
        };
        ended.ok().and_then(Result::ok).map_or(1, code_of)
    }
}

/// What a shell says of a process that ended so.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128_u8.saturating_add(signal as u8);
    }
    status.code().map_or(1, |code| code as u8)
}

/// The process and those that it started, as far as they did not leave its group. They end with this.
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there are no groups"))]
struct Group(u32);

#[cfg(unix)]
impl Group {
    fn send(&self, signal: rustix::process::Signal) {
        let group = i32::try_from(self.0).ok();
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            // Nobody is left in it: that is well.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn pass(&self, signal: Signal) {
        self.send(match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Reload => rustix::process::Signal::HUP,
        });
    }

    fn kill(&self) {
        self.send(rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
impl Group {
    /// The console tells all of its processes.
    fn pass(&self, _: Signal) {}

    fn kill(&self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
