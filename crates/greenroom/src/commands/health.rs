//! `health`: one question to a server, for probes in images without a shell.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{GlobalOptions, HealthOptions};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

/// The whole question and answer: probes of container platforms wait a few seconds at most.
const DEADLINE: Duration = Duration::from_secs(5);

/// The largest answer that is read: `/readyz` names a few reasons.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// An `http://` address taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// As the connection needs it and as `Host` says it: `host:port`.
    authority: String,
    /// What is asked for: the path of the address and `/readyz`.
    path: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

/// Asks whether the server is ready.
pub(super) fn health(
    options: &HealthOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let url = options.url.as_deref().unwrap_or(&global.server);
    let target = Target::parse(url)?;
    let answer = ask(&target, DEADLINE).map_err(|error| {
        Failure::failed(format!("cannot reach {url}: {error}"))
            .hint("is it running? `greenroom dev` starts one; `--server URL` asks another")
    })?;
    let ready = match answer.status {
        200 => true,
        503 => false,
        other => {
            return Err(
                Failure::failed(format!("{url} answered {other}, neither ready nor not"))
                    .hint("is that a Greenroom?"),
            );
        }
    };
    if global.json {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
        let object =
            json!({ "server": url, "ready": ready, "status": answer.status, "body": body });
        printer.data(&object.to_string())?;
    } else if ready {
        printer.data("ready")?;
    } else {
        let why = answer.body.trim().escape_debug();
        printer.data(format!("not ready  {why}").trim_end())?;
    }
    Ok(if ready {
        ExitCode::Done
    } else {
        ExitCode::NeedsYou
    })
}

impl Target {
    fn parse(url: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Failure::usage(format!("`{url}` {why}")).hint("write `http://127.0.0.1:8080`")
        };
        if url.starts_with("https://") {
            return Err(refuse("is https, and this command asks over http only")
                .hint("ask the server behind your proxy, on its own port"));
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| refuse("is not an http address"))?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let strange = |c: char| c.is_control() || c.is_whitespace() || "@?#".contains(c);
        if authority.is_empty() || url.contains(strange) {
            return Err(refuse("is not an http address"));
        }
        let after_address = authority.rsplit(']').next().unwrap_or(authority);
        let authority = if after_address.contains(':') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Ok(Self {
            authority,
            path: format!("{}/readyz", path.trim_end_matches('/')),
        })
    }
}

/// HTTP/1.0, so that the answer comes without chunks and ends with the connection.
fn ask(target: &Target, deadline: Duration) -> io::Result<Answer> {
    let ends = Instant::now() + deadline;
    let mut stream = connect(target, ends)?;
    stream.set_write_timeout(Some(left(ends)?))?;
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        target.path, target.authority
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(ends)?))?;
        let read = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
            Err(e) => return Err(e),
        };
        answer.extend_from_slice(&piece[..read]);
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("its answer does not end"));
        }
    }
    parse_answer(&answer).ok_or_else(|| io::Error::other("its answer is not HTTP"))
}

/// The first address of the name that accepts.
fn connect(target: &Target, ends: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    for address in target.authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(ends)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn left(ends: Instant) -> io::Result<Duration> {
    let left = ends.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(too_late());
    }
    Ok(left)
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn parse_answer(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    Some(Answer {
        status: words.next()?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_typed() {
        let check = |url: &str, expected: Option<(&str, &str)>| {
            let target = Target::parse(url).ok();
            let told = target.as_ref().map(|t| (&t.authority[..], &t.path[..]));
            assert_eq!(told, expected, "{url}");
        };
        check("http://a:1", Some(("a:1", "/readyz")));
        check("http://a", Some(("a:80", "/readyz")));
        check("http://a/", Some(("a:80", "/readyz")));
        check("http://a:1/base/", Some(("a:1", "/base/readyz")));
        check("http://[::1]", Some(("[::1]:80", "/readyz")));
        check("http://[::1]:81", Some(("[::1]:81", "/readyz")));
        check("https://a", None);
        check("a:1", None);
        check("http://", None);
        check("http:///x", None);
        check("http://me@a", None);
        check("http://a/?x", None);
        check("http://a/\r\nX: y", None);
    }

    #[test]
    fn answers_are_read_to_the_end_of_the_connection() {
        let parsed = parse_answer(b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\n{}");
        let expected = Answer {
            status: 503,
            body: "{}".to_owned(),
        };
        assert_eq!(parsed, Some(expected));
        for broken in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(parse_answer(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_server_that_never_answers_is_not_waited_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            authority: listener.local_addr().unwrap().to_string(),
            path: "/readyz".to_owned(),
        };
        let error = ask(&target, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
