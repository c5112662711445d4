use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::command::Shell;
#[cfg(all(unix, feature = "tls"))]
use crate::server::Running;

/// A server that answers one request with `answer`; its address, and the request's first line.
fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        while !lines.next().unwrap().unwrap().is_empty() {}
        stream.write_all(answer.as_bytes()).unwrap();
        first
    });
    (url, served)
}

#[test]
fn ready_is_done() {
    let (url, served) = answering("HTTP/1.1 200 OK\r\n\r\n{\"commit_window_ms\":100}");
    Shell::new().run(&["health", &url]).check(0, "ready\n", "");
    assert_eq!(served.join().unwrap(), "GET /readyz HTTP/1.1");

    let (url, _served) = answering("HTTP/1.1 200 OK\r\n\r\n{\"commit_window_ms\":100}");
    let ran = Shell::new()
        .set("GREENROOM_URL", &url)
        .run(&["health", "--json"]);
    ran.naming(&url, "URL").check(
        0,
        "{\"body\":{\"commit_window_ms\":100},\"ready\":true,\"server\":\"URL\",\"status\":200}\n",
        "",
    );
}

#[test]
fn not_ready_needs_you() {
    let (url, _served) = answering("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n");
    let ran = Shell::new().run(&["-s", &url, "health"]);
    ran.check(3, "not ready  draining\n", "");
}

#[test]
fn something_else_is_a_failure() {
    let (url, _served) = answering("HTTP/1.1 404 Not Found\r\n\r\n");
    let ran = Shell::new().run(&["health", &url]);
    ran.naming(&url, "URL").check(
        1,
        "",
        "error: URL answered 404, neither ready nor not\nhint: is that a Greenroom?\n",
    );
}

#[test]
fn nothing_there_is_a_failure() {
    // A port that was free a moment ago, and that nobody is told of.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = Shell::new().run(&["health", &url]);
    ran.naming(&url, "URL").check(
        1,
        "",
        "\
error: cannot reach URL: Connection refused (os error 111)
hint: is it running? `greenroom dev` starts one; `--server URL` asks another
",
    );
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    Shell::new().run(&["health", "localhost:8080"]).check(
        2,
        "",
        "error: `localhost:8080` is not an http address\nhint: write `http://127.0.0.1:8080`\n",
    );
}

#[cfg(all(unix, feature = "tls"))]
#[test]
fn https_is_asked_by_a_name_that_its_certificate_holds() {
    let shell = Shell::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (shell.path("cert.pem"), shell.path("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.key_pair.serialize_pem()).unwrap();
    let server = Running::start(
        &shell,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            ":memory:",
            "--tls-cert",
            "cert.pem",
            "--tls-key",
            "key.pem",
        ],
    );
    let address = server.address();
    let port = address.rsplit(':').next().unwrap();
    let (by_address, by_name) = (
        format!("https://{address}"),
        format!("https://localhost:{port}"),
    );
    let trusting = || Shell::new().set("SSL_CERT_FILE", cert.to_str().unwrap());
    let check = |shell: Shell, url: &str, why: &str| {
        let ran = shell.run(&["health", url]);
        ran.naming(url, "URL").check(
            1,
            "",
            &format!(
                "error: URL is not trusted: {why}\nhint: ask by a name that its certificate holds; \
                 SSL_CERT_FILE names another authority, and `greenroom health --insecure` asks \
                 whoever answers\n"
            ),
        );
    };
    trusting()
        .run(&["health", &by_name])
        .check(0, "ready\n", "");
    check(
        trusting(),
        &by_address,
        "its certificate is for another name",
    );
    // Somebody else's authority.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(shell.path("other.pem"), other.cert.pem()).unwrap();
    let other = shell.path("other.pem");
    check(
        Shell::new().set("SSL_CERT_FILE", other.to_str().unwrap()),
        &by_name,
        "no authority known here vouches for its certificate",
    );
    Shell::new()
        .run(&["health", &by_address, "--insecure"])
        .check(0, "ready\n", "");
}
