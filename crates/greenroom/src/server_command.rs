//! Runs a server as planned until it is told to stop. The only file that knows the server
//! library's start and end.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use greenroom_server::{DataPlace, Mode, Server, Settings, StartError, Stop};
use tokio::sync::oneshot;

use crate::banner;
use crate::child::Child;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::port_owner;
use crate::printer::Printer;
use crate::reloading::Reloading;
use crate::server_plan::{Place, Purpose, Remark, ServerPlan};
use crate::supervisor::{self, Supervisor};

/// What a server is told by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// By whatever supervises the process.
    Terminate,
    /// To read its configuration and its files anew, and to go on.
    Reload,
}

/// Why the server of this command did not start.
fn not_started(error: StartError, purpose: Purpose) -> Failure {
    if let StartError::Taken(address) = error {
        let owner = port_owner::of(address).map_or_else(String::new, |owner| {
            format!(" (pid {}, `{}`)", owner.pid, owner.command)
        });
        let command = match purpose {
            Purpose::Dev => "dev",
            Purpose::Serve => "serve",
        };
        let free = SocketAddr::new(address.ip(), 0);
        return Failure::failed(format!("{error}{owner}")).hint(format!(
            "`greenroom {command} --listen {free}` picks a free one"
        ));
    }
    let failure = Failure::failed(error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Runs the server of `plan`, and `command` with it if that names one; `started` is when the process
/// began. Ends when it was asked to stop and has stopped, or at once when it was asked twice.
///
/// # Errors
/// When the server cannot start.
pub(crate) fn run(
    plan: ServerPlan,
    reloading: Reloading,
    command: &[String],
    started: Instant,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|e| Failure::failed(format!("cannot start the runtime: {e}")))?;
    let outcome = runtime.block_on(run_in_runtime(plan, reloading, command, started, printer));
    // What is left was told to stop twice; dropping the runtime would wait for its threads.
    runtime.shutdown_background();
    outcome
}

async fn run_in_runtime(
    plan: ServerPlan,
    mut reloading: Reloading,
    command: &[String],
    started: Instant,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    #[cfg(unix)]
    let open_files = supervisor::raise_open_files();
    // Before the bind, so that a signal in between is not lost.
    let mut signals =
        Signals::new().map_err(|e| Failure::failed(format!("cannot catch signals: {e}")))?;
    let (purpose, place) = (plan.purpose, plan.place.clone());
    let remarks = plan.remarks.clone();
    let supervisor = Supervisor::find();
    let settings = settings(plan);
    let server = bind(settings, purpose).await?;
    #[cfg(unix)]
    if let Some((before, now)) = open_files {
        tracing::info!(before, now, "limit of open files");
    }
    let said = Announcement {
        purpose,
        place: &place,
        remarks: &remarks,
        started,
    };
    announce(&said, &server, printer);
    supervisor.ready();

    let reloader = server.reloader();
    let (stop, stopped) = oneshot::channel();
    let address = server.local_addr();
    // Dropped means stop, too.
    let running = server.run(async { stopped.await.unwrap_or(Stop::AtOnce) });
    tokio::pin!(running);
    if let Some((program, arguments)) = command.split_first() {
        let child = Child::start(program, arguments, address)?;
        let code = with_child(child, running, &mut signals, stop).await;
        return Ok(code);
    }
    // Both arms are cancel-safe: the server is pinned outside, a signal not taken is kept.
    let first = loop {
        tokio::select! {
            () = &mut running => return Ok(ExitCode::Done),
            () = supervisor.watch() => {}
            signal = signals.next() => match signal {
                Signal::Reload => {
                    supervisor.reloading();
                    reloading.reload(&reloader, printer);
                    supervisor.ready();
                }
                Signal::Interrupt => break Stop::AtOnce,
                Signal::Terminate => break Stop::Spread,
            },
        }
    };
    supervisor.stopping();
    printer.note("stopping; the same again stops at once");
    // Who pressed Ctrl-C waits for the prompt; whatever supervises the process has granted time.
    let _ = stop.send(first);
    loop {
        tokio::select! {
            () = &mut running => break,
            () = supervisor.watch() => {}
            signal = signals.next() => if signal != Signal::Reload { break },
        }
    }
    Ok(code_after(first))
}

const fn code_after(stop: Stop) -> ExitCode {
    match stop {
        Stop::AtOnce => ExitCode::Interrupted,
        Stop::Spread => ExitCode::Done,
    }
}

async fn bind(settings: Settings, purpose: Purpose) -> Result<Server, Failure> {
    match supervisor::inherited_listener()? {
        Some(listener) => Server::bind_on(settings, listener).await,
        None => Server::bind(settings).await,
    }
    .map_err(|error| not_started(error, purpose))
}

/// Lets the server run for as long as the command does.
async fn with_child(
    child: Child,
    mut running: Pin<&mut impl Future<Output = ()>>,
    signals: &mut Signals,
    stop: oneshot::Sender<Stop>,
) -> ExitCode {
    tokio::select! {
        code = child.run(signals) => {
            drop(stop);
            running.await;
            ExitCode::Passed(code)
        }
        // It does not stop before it is told to.
        () = &mut running => ExitCode::Failed,
    }
}

/// What is said once a server listens.
struct Announcement<'a> {
    purpose: Purpose,
    place: &'a Place,
    remarks: &'a [Remark],
    /// When the process began.
    started: Instant,
}

fn announce(said: &Announcement<'_>, server: &Server, printer: &Printer) {
    let Announcement {
        purpose,
        place,
        remarks,
        started,
    } = *said;
    let address = server.local_addr();
    let scheme = if server.is_secure() { "https" } else { "http" };
    printer.note(&printer.bold(&banner::title(purpose, place)));
    if purpose == Purpose::Dev && std::io::stderr().is_terminal() {
        printer.note(&banner::doors(address));
    }
    for remark in remarks {
        match remark {
            Remark::Note(text) => printer.note(text),
            Remark::Warning(text) => printer.warning(text),
            Remark::Hint(text) => printer.hint(text),
        }
    }
    printer.note(&format!("listening on {scheme}://{address}"));
    printer.note(&format!("ready in {} ms", started.elapsed().as_millis()));
}

fn settings(plan: ServerPlan) -> Settings {
    Settings {
        listen: plan.listen,
        data: match plan.place {
            Place::Memory => DataPlace::Memory,
            Place::Directory(path) => DataPlace::Directory(path),
        },
        mode: match plan.purpose {
            Purpose::Dev => Mode::Dev,
            Purpose::Serve => Mode::Serve,
        },
        policy: plan.policy,
        kinds: plan.kinds,
        disk_free: plan.disk_free,
        drain_ms: plan.drain_ms,
        front: plan.front,
    }
}

/// The signals that a server knows.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

/// The signals that a server knows.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            // No signal will ever come: the process ends as the system ends it.
            Err(_) => std::future::pending().await,
        }
    }
}
