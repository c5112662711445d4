//! Traces, as a collector gets them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use crate::command::Shell;
use crate::server::Running;

/// What was posted to a collector.
struct Batch {
    /// Its request line and headers, in lower case.
    head: String,
    body: Vec<u8>,
}

/// A collector that takes everything, each request on a connection of its own or not; its address.
fn collector() -> (String, mpsc::Receiver<Batch>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (batches, taken) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let batches = batches.clone();
            thread::spawn(move || while take(stream.as_ref().unwrap(), &batches).is_some() {});
        }
    });
    (url, taken)
}

fn take(mut stream: &TcpStream, batches: &mpsc::Sender<Batch>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    head.make_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length = length.lines().next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    batches.send(Batch { head, body }).ok()?;
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).ok()
}

/// Whether `part` stands in `whole`: texts and ids stand in protobuf as they are.
fn holds(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let ask = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_and_commits_reach_the_collector() {
    let (url, batches) = collector();
    let shell = Shell::new().set("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let server = Running::start(&shell, &["dev", "--listen", "127.0.0.1:0"]);
    let answer = ask(&server.address(), "POST /api/rooms", "{\"id\":\"traced\"}");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    ask(&server.address(), "GET /readyz", "");
    // What was not sent yet is sent at the end.
    assert_eq!(server.stop("TERM").code, Some(0));
    let batches: Vec<Batch> = batches.try_iter().collect();
    assert!(!batches.is_empty());
    for Batch { head, .. } in &batches {
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/x-protobuf\r\n"),
            "{head}"
        );
    }
    let all: Vec<u8> = batches.into_iter().flat_map(|batch| batch.body).collect();
    let caller = *b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c";
    for part in [
        b"service.name".as_slice(),
        b"greenroom",
        b"POST /api/rooms",
        b"http.response.status_code",
        &caller,
        b"room.commit",
        b"greenroom.room",
        b"traced",
        b"store.asked",
    ] {
        assert!(holds(&all, part), "{}", String::from_utf8_lossy(part));
    }
    assert!(!holds(&all, b"/readyz"), "probes leave no span");
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let shell = Shell::new().set("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let server = Running::start(&shell, &["dev", "--listen", "127.0.0.1:0"]);
    let answer = ask(&server.address(), "POST /api/rooms", "{\"id\":\"traced\"}");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.stop("TERM").code, Some(0));
}

#[test]
fn a_protocol_that_is_not_there_is_a_usage_error() {
    let shell = Shell::new()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    shell.run(&["dev", "--listen", "127.0.0.1:0"]).check(
        2,
        "",
        "error: OTEL_EXPORTER_OTLP_PROTOCOL asks for `grpc`\n\
         hint: `http/protobuf` is what there is; collectors take it on port 4318\n",
    );
}
