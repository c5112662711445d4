//! A server under test that runs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::dialect::Dialect;
use crate::kinds::Kind;
use crate::machine;

/// How long a server may take to listen.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a server may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The other servers and their launchers.
    pub(crate) peers: PathBuf,
    /// The binary of the product.
    pub(crate) greenroom: PathBuf,
    /// The binary of the lower bound.
    pub(crate) floor: PathBuf,
    /// Where results go.
    pub(crate) results: PathBuf,
    /// The page of the figures.
    pub(crate) page: PathBuf,
    /// Where servers may keep data, on a real disk.
    pub(crate) scratch: PathBuf,
}

/// A server that runs, pinned to its core. Ends when dropped, and its data with it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: &'static Kind,
    pub(crate) address: SocketAddr,
    places: Places,
    data: PathBuf,
    child: Child,
}

impl Server {
    /// Starts a fresh server with an empty data directory and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, or is not ready in time.
    pub(crate) fn start(kind: &'static Kind, places: &Places) -> Result<Self> {
        let address = free_address()?;
        let data = places
            .scratch
            .join(format!("{}-{}", kind.name, address.port()));
        fs::create_dir_all(&data)?;
        let child = spawn(kind, places, address, &data)?;
        let mut server = Self {
            kind,
            address,
            places: places.clone(),
            data,
            child,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends it as an operator does and starts it anew on its data.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = spawn(self.kind, &self.places, self.address, &self.data)?;
        self.wait_until_ready()
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its CPU time since it started.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        machine::cpu_time(self.child.id())
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The commits to its store so far; `None` when it does not count them.
    pub(crate) fn commits(&self) -> Option<u64> {
        let page = http(self.address, "GET", "/metrics", "").ok()?.1;
        page.lines()
            .find_map(|line| line.strip_prefix("greenroom_store_commits_total"))
            // Behind its labels.
            .and_then(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .map(|value| value as u64)
    }

    /// Makes a room exist, where a server wants that.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn prepare_room(&self, room: &str) -> Result<()> {
        if self.kind.dialect == Dialect::YSweet {
            let body = format!(r#"{{"docId":"{room}"}}"#);
            let (status, _) = http(self.address, "POST", "/doc/new", &body)?;
            ensure!(
                status == 200,
                "the document {room} was refused with {status}"
            );
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at once with {status}\n{}",
                    self.kind.name,
                    self.log()
                );
            }
            if http(self.address, "GET", self.kind.ready, "").is_ok_and(|(status, _)| status < 500)
            {
                return Ok(());
            }
            pause(Duration::from_millis(20));
        }
        bail!(
            "{} is not ready after {START_MAX:?}\n{}",
            self.kind.name,
            self.log()
        )
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data.with_extension("log")).unwrap_or_default()
    }

    fn stop(&mut self) {
        // What cannot be signalled has ended.
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let started = Instant::now();
        while started.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_file(self.data.with_extension("log"));
    }
}

/// Waits without spinning. Only where nothing is measured.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn spawn(kind: &Kind, places: &Places, address: SocketAddr, data: &Path) -> Result<Child> {
    let fill = |word: &str| {
        word.replace("{peers}", &places.peers.to_string_lossy())
            .replace("{greenroom}", &places.greenroom.to_string_lossy())
            .replace("{floor}", &places.floor.to_string_lossy())
            .replace("{port}", &address.port().to_string())
            .replace("{data}", &data.to_string_lossy())
    };
    let (program, arguments) = kind
        .command
        .split_first()
        .context("a server without a command")?;
    let log = File::create(data.with_extension("log"))?;
    let mut command = Command::new(fill(program));
    command
        .args(arguments.iter().map(|word| fill(word)))
        .envs(
            kind.environment
                .iter()
                .map(|(name, value)| (name, fill(value))),
        )
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // A child is born on the core of its parent.
    machine::pin(machine::SERVER_CORE)?;
    let child = command.spawn();
    machine::pin(machine::OWN_CORE)?;
    child.with_context(|| format!("{} could not be started", fill(program)))
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// One request on a connection of its own; gives the status and the body.
fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((
        status.context("an HTTP answer without a status")?,
        body.to_owned(),
    ))
}
