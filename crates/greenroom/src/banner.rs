//! The first lines of a server: on a terminal what there is to open and connect, else one line.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_named_as_a_browser_reaches_them() {
        assert_eq!(
            doors("127.0.0.1:8080".parse().unwrap()),
            "
  Open        http://localhost:8080/          demo page, two tabs are enough
  Console     http://localhost:8080/console   rooms, people, what needs attention
  Keys        pk_localdev  sk_localdev

  Connect what you have:
    y-websocket          new WebsocketProvider(\"ws://localhost:8080/yjs\", \"my-room\", doc)
"
        );
        assert!(doors("0.0.0.0:81".parse().unwrap()).contains("http://localhost:81/"));
        assert!(doors("192.168.1.5:81".parse().unwrap()).contains("http://192.168.1.5:81/"));
    }
}
