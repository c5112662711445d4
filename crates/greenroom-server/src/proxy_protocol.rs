//! The PROXY header, versions 1 and 2: who a TCP connection comes from, said by the proxy in front
//! of it (haproxy.org, proxy-protocol.txt). Read to its last byte and not further.

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How long a proxy may take for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Of version 2; its first bytes are no HTTP and no TLS.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, in bytes, with its end.
const LINE_BYTES_MAX: usize = 107;

/// The longest part behind the fixed one of version 2, in bytes: addresses and some extensions.
const REST_BYTES_MAX: usize = 4_096;

/// Reads the header; `None` when the connection is the proxy's own, or of no kind with addresses.
///
/// # Errors
/// When there is none in time.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let reading = async {
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        if start == SIGNATURE {
            version_2(stream).await
        } else {
            version_1(start, stream).await
        }
    };
    let late = |_| io::Error::from(ErrorKind::TimedOut);
    tokio::time::timeout(DEADLINE, reading)
        .await
        .map_err(late)?
}

async fn version_1(
    start: [u8; 12],
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    // No line is shorter than what was read, and what comes behind it is not ours to read.
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(wrong());
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| wrong())?;
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", from, _, port, _] => {
            let ip = from.parse().map_err(|_| wrong())?;
            let port = port.parse().map_err(|_| wrong())?;
            Ok(Some(SocketAddr::new(ip, port)))
        }
        _ => Err(wrong()),
    }
}

async fn version_2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > REST_BYTES_MAX {
        return Err(wrong());
    }
    let mut rest = vec![0; size];
    stream.read_exact(&mut rest).await?;
    match command {
        // The proxy itself, for instance to see whether somebody is there.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(wrong()),
    }
    let port = |at: usize| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
    let from = match family {
        0x11 => {
            let ip: Option<[u8; 4]> = rest.get(..4).and_then(|ip| ip.try_into().ok());
            ip.zip(port(8))
                .map(|(ip, port)| SocketAddr::from((Ipv4Addr::from(ip), port)))
        }
        0x21 => {
            let ip: Option<[u8; 16]> = rest.get(..16).and_then(|ip| ip.try_into().ok());
            ip.zip(port(32))
                .map(|(ip, port)| SocketAddr::from((Ipv6Addr::from(ip), port)))
        }
        _ => return Ok(None),
    };
    from.map(Some).ok_or_else(wrong)
}

fn wrong() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "not a PROXY header")
}
