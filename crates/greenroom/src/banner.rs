//! The first lines of a server: on a terminal what there is to open and connect, else one line.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::server_plan::{Place, Purpose};

/// One line: which version, for what, with data where.
pub(crate) fn title(purpose: Purpose, place: &Place) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match purpose {
        Purpose::Dev => {
            format!("Greenroom {version}  development mode: open access, data in {place}")
        }
        Purpose::Serve => format!("Greenroom {version}  data in {place}"),
    }
}

/// What to open and what to connect, for a server in development that listens on `address`.
/// Names only doors that exist.
pub(crate) fn doors(address: SocketAddr) -> String {
    let place = reachable(address);
    let page = format!("http://{place}/");
    let console = format!("http://{place}/console");
    format!(
        "
  Open        {page:<32}demo page, two tabs are enough
  Console     {console:<32}rooms, people, what needs attention
  Keys        pk_localdev  sk_localdev

  Connect what you have:
    y-websocket          new WebsocketProvider(\"ws://{place}/yjs\", \"my-room\", doc)
    Hocuspocus           new HocuspocusProvider({{ url: \"ws://{place}/hocuspocus\", name: \"my-room\" }})
    y-sweet              new DocumentManager(\"ys://sk_localdev@{place}\")
"
    )
}

/// A name under which this machine reaches `address`.
fn reachable(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("localhost:{port}")
    } else {
        address.to_string()
    }
}
