//! STAND-IN for the server library's `Settings` and `Server`, until the merge: binds, and closes
//! every connection. To be deleted; `server_command.rs` is the only file that names it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use greenroom_server::auth::{Authenticator, OriginPolicy};
use tokio::net::TcpListener;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data: DataPlace,
    pub(crate) mode: Mode,
    pub(crate) auth: Authenticator,
    pub(crate) origins: OriginPolicy,
}

#[derive(Debug)]
pub(crate) enum DataPlace {
    Memory,
    Directory(PathBuf),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Dev,
    Serve,
}

#[derive(Debug)]
pub(crate) struct StartError {
    listen: SocketAddr,
    mode: Mode,
    source: io::Error,
}

impl StartError {
    pub(crate) fn hint(&self) -> Option<String> {
        let command = match self.mode {
            Mode::Dev => "dev",
            Mode::Serve => "serve",
        };
        let ip = self.listen.ip();
        (self.source.kind() == io::ErrorKind::AddrInUse).then(|| {
            let free = SocketAddr::new(ip, 0);
            format!("`greenroom {command} --listen {free}` picks a free one")
        })
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, port) = (self.listen.ip(), self.listen.port());
        if self.source.kind() == io::ErrorKind::AddrInUse {
            write!(f, "port {port} on {ip} is taken")
        } else {
            write!(f, "cannot listen on {}: {}", self.listen, self.source)
        }
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn bind(settings: Settings) -> Result<Self, StartError> {
        let error = |source| StartError {
            listen: settings.listen,
            mode: settings.mode,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        if let DataPlace::Directory(path) = &settings.data {
            std::fs::create_dir_all(path).map_err(error)?;
        }
        let access = settings.auth.access();
        tracing::info!(?access, "bound");
        tracing::debug!(origins = ?settings.origins, "bound");
        Ok(Self { listener, address })
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn run(self, shutdown: impl Future<Output = ()>) {
        let accept = async {
            loop {
                drop(self.listener.accept().await);
            }
        };
        tokio::select! {
            () = shutdown => {}
            () = accept => {}
        }
    }
}
