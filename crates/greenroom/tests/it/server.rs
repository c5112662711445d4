use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command};

use crate::command::{Ran, SECRET, Shell};

/// A server that runs, and ends with the test.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    /// What it said until it was ready.
    said: Vec<String>,
}

impl Running {
    /// Starts it and waits until it says that it is ready, or ends. Log lines are left out.
    pub(crate) fn start(shell: &Shell, arguments: &[&str]) -> Self {
        let mut child = shell.command(arguments).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said: Vec<String> = Vec::new();
        while !said
            .last()
            .is_some_and(|line| line.starts_with("ready in "))
        {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended after {said:?}");
            if !line.starts_with('{') {
                said.push(line.trim_end().to_owned());
            }
        }
        Self {
            child,
            stderr,
            said,
        }
    }

    /// Tells it to read its configuration again, and gives what it said to that.
    #[cfg(unix)]
    pub(crate) fn reload(&mut self) -> Vec<String> {
        let sent = Command::new("kill")
            .args(["-s", "HUP", &self.pid()])
            .status();
        assert!(sent.unwrap().success());
        let mut said: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended after {said:?}");
            if !line.starts_with('{') {
                said.push(line.trim_end().to_owned());
                if line.starts_with("reloaded: ") || line.starts_with("not reloaded") {
                    return said;
                }
            }
        }
    }

    /// Sends a signal, waits for the end, and gives what was said since.
    #[cfg(unix)]
    pub(crate) fn stop(mut self, signal: &str) -> Ran {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let lines = stderr.lines().filter(|line| !line.starts_with('{'));
        let stderr = lines.map(|line| format!("{line}\n")).collect();
        Ran {
            code: self.child.wait().unwrap().code(),
            stdout: String::new(),
            stderr,
        }
    }

    /// Ends it, and gives everything that it said since it was ready, log lines included.
    #[cfg(unix)]
    pub(crate) fn log(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(sent.unwrap().success());
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        stderr
    }

    /// What it said, with the port and the time named.
    fn said(&self) -> String {
        let address = self.address();
        let lines = self.said.iter().map(|line| {
            let line = line.replace(&address, "ADDRESS");
            match line.strip_prefix("ready in ") {
                Some(_) => "ready in N ms\n".to_owned(),
                None => line + "\n",
            }
        });
        lines.collect()
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) fn address(&self) -> String {
        let line = &self.said[self.said.len() - 2];
        let (_, address) = line.split_once("://").unwrap();
        address.to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FREE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[cfg(unix)]
#[test]
fn dev_starts_with_nothing_and_ends_on_a_signal() {
    let shell = Shell::new();
    let start = || Running::start(&shell, &["dev", FREE[0], FREE[1]]);
    let dev = start();
    assert_eq!(
        dev.said(),
        "\
Greenroom 0.1.0  development mode: open access, data in ./.greenroom
listening on http://ADDRESS
ready in N ms
"
    );
    let key = shell.key_id(".greenroom");
    let stopping = "stopping; the same again stops at once\n";
    dev.stop("INT").check(130, "", stopping);
    start().stop("TERM").check(0, "", stopping);
    assert_eq!(
        shell.key_id(".greenroom"),
        key,
        "a second start keeps the key"
    );
}

#[test]
fn dev_in_memory_leaves_nothing_behind() {
    let shell = Shell::new();
    let dev = Running::start(&shell, &["dev", "--data", ":memory:", FREE[0], FREE[1]]);
    assert!(dev.said().contains("data in memory\n"));
    assert!(std::fs::read_dir(shell.path("")).unwrap().next().is_none());
}

#[test]
fn dev_on_every_address_warns() {
    let shell = Shell::new().set("GREENROOM_LAN", "1").set("PORT", "0");
    let dev = Running::start(&shell, &["dev"]);
    assert!(dev.address().starts_with("0.0.0.0:"));
    let warning = "warning: anyone who reaches 0.0.0.0:0 can read and change every room\n";
    assert!(dev.said().contains(warning), "{}", dev.said());
}

#[test]
fn serve_without_a_key_is_for_this_machine_only() {
    let shell = Shell::new();
    let serve = Running::start(&shell, &["serve", FREE[0], FREE[1]]);
    assert_eq!(
        serve.said(),
        "\
Greenroom 0.1.0  data in ./data
no key: listening on this machine only, open to everybody on it
hint: create one with `greenroom token init`, or set GREENROOM_SECRET_KEY
listening on http://ADDRESS
ready in N ms
"
    );
}

#[test]
fn serve_without_a_key_refuses_other_addresses() {
    Shell::new()
        .run(&["serve", "--listen", "0.0.0.0:8080"])
        .check(
            2,
            "",
            "\
error: refusing to listen on 0.0.0.0:8080 without a key: anyone could read and change every room
hint: create one with `greenroom token init`, or set GREENROOM_SECRET_KEY
hint: for a trial on this machine: `greenroom dev`
hint: to have it so all the same: `--insecure`
",
        );
}

#[test]
fn serve_with_a_key_or_insecure_listens_everywhere() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let serve = Running::start(&shell, &["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(
        serve.said(),
        "Greenroom 0.1.0  data in ./data\nlistening on http://ADDRESS\nready in N ms\n"
    );
    let shell = Shell::new();
    let serve = Running::start(&shell, &["serve", "--insecure", "--listen", "0.0.0.0:0"]);
    assert_eq!(
        serve.said(),
        "\
Greenroom 0.1.0  data in ./data
warning: anyone who reaches 0.0.0.0:0 can read and change every room
listening on http://ADDRESS
ready in N ms
"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let ran = Shell::new().run(&["dev", "--listen", &address.to_string()]);
    // On Linux the holder is named: it is this process.
    let holder = ran.stderr.lines().next().unwrap_or_default();
    let holder = holder
        .split_once(" is taken")
        .map_or("", |(_, holder)| holder)
        .to_owned();
    if cfg!(target_os = "linux") {
        let pid = format!(" (pid {}, `", std::process::id());
        assert!(
            holder.starts_with(&pid) && holder.ends_with("`)"),
            "{}",
            ran.stderr
        );
    }
    let ran = Ran {
        stderr: ran.stderr.replace(&holder, ""),
        ..ran
    };
    ran.naming(&port, "PORT").check(
        1,
        "",
        "\
error: port PORT on 127.0.0.1 is taken
hint: `greenroom dev --listen 127.0.0.1:0` picks a free one
",
    );
}

#[test]
fn a_setting_that_makes_no_sense_is_a_usage_error() {
    let check = |shell: Shell, arguments: &[&str], expected: &str| {
        shell.run(arguments).check(2, "", expected);
    };
    check(
        Shell::new(),
        &["dev", "--origin", "https://app.example.com/"],
        "\
error: --origin: `https://app.example.com/` is not an origin
hint: write `https://app.example.com`, `http://localhost:3000`, `*.example.com` or `*`: a scheme and a host, no path and no slash at the end
",
    );
    check(
        Shell::new().set("GREENROOM_LISTEN", "8080"),
        &["serve"],
        "\
error: GREENROOM_LISTEN: `8080` is not an address with a port
hint: write `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`
",
    );
    check(
        Shell::new().set("PORT", "http"),
        &["serve"],
        "error: PORT: `http` is no port\nhint: a port is a number up to 65535\n",
    );
    check(
        Shell::new().set("RUST_LOG", "a=b=c"),
        &["dev"],
        "\
error: RUST_LOG: `a=b=c` is not a filter: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5
hint: write `debug` or `info,greenroom_server=debug`
",
    );
}

/// Shakes hands at `path`, sends `text` in one masked frame, and reads until the server says
/// something, or ends it.
#[cfg(unix)]
fn speak(address: &str, path: &str, text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    // A mask of zeros leaves the payload as it is.
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    stream.write_all(&frame).unwrap();
    let mut said = [0; 256];
    let read = stream.read(&mut said).unwrap();
    said[..read].to_vec()
}

#[cfg(unix)]
#[test]
fn no_log_line_holds_a_payload_or_a_token() {
    let shell = Shell::new().set("RUST_LOG", "trace");
    let rooms = ["dev", "--rooms", "echo/*=echo", FREE[0], FREE[1]];
    let dev = Running::start(&shell, &rooms);
    let address = dev.address();
    let said = speak(&address, "/ws/room/echo/1", "a-secret-payload");
    assert!(said.ends_with(b"a-secret-payload"));
    let said = speak(&address, "/ws/room/echo/1?token=a-secret-token", "x");
    assert!(!said.ends_with(b"x"), "it is not let in");
    let log = dev.log();
    for secret in ["a-secret-payload", "a-secret-token"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
    let joined = log.lines().find(|line| line.contains("\"joined\""));
    let joined = joined.expect("a lifecycle line");
    let spans = "\"spans\":[{\"room\":\"echo/1\",\"name\":\"room\"},{";
    assert!(joined.contains(spans), "{joined}");
    assert!(joined.contains("\"name\":\"conn\""), "{joined}");
}

#[cfg(unix)]
#[test]
fn dev_says_who_comes_and_goes() {
    let shell = Shell::new();
    let start = |filter: &[&str]| {
        let rooms = ["dev", "--rooms", "echo/*=echo", "--log", "text"];
        let dev = Running::start(&shell, &[&rooms, &FREE[..], filter].concat());
        let said = speak(&dev.address(), "/ws/room/echo/1", "hello");
        assert!(said.ends_with(b"hello"));
        dev
    };
    let mut dev = start(&[]);
    let mut lines = Vec::new();
    while lines.len() < 3 {
        let mut line = String::new();
        assert!(dev.stderr.read_line(&mut line).unwrap() > 0, "{lines:?}");
        // Each begins with the time; others of the log have a date, too.
        if let Some((_, rest)) = line.split_once("Z  ")
            && rest.starts_with(['*', '+', '-', '!'])
        {
            lines.push(rest.trim_end().to_owned());
        }
    }
    assert_eq!(
        lines,
        [
            "*             echo/1            opened, service",
            "+ somebody    echo/1            raw         1 session",
            "- somebody    echo/1            left        0 sessions",
        ]
    );
    drop(dev);
    let log = start(&["--log-filter", "info"]).log();
    assert!(!log.contains("echo/1"), "{log}");
}
