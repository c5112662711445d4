//! `dev -- CMD`: a server for as long as a command runs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::Command;

use crate::command::Shell;

#[test]
fn a_command_runs_with_a_server_and_its_exit_code_is_ours() {
    let shell = Shell::new().set("PATH", "/usr/bin:/bin");
    let script = r#"echo "$GREENROOM_URL $GREENROOM_PUBLIC_KEY $GREENROOM_SECRET_KEY"; exit 7"#;
    let ran = shell.run(&["dev", "--", "sh", "-c", script]);
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    let words: Vec<_> = ran.stdout.split_whitespace().collect();
    assert_eq!(words[1..], ["pk_localdev", "sk_localdev"]);
    assert!(
        ran.stderr.contains(&format!("listening on {}\n", words[0])),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("data in memory"), "{}", ran.stderr);
    assert!(!shell.path(".greenroom").exists());
    // It is gone.
    let address = words[0].strip_prefix("http://").unwrap();
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn the_command_finds_the_server_ready() {
    let shell = Shell::new();
    let greenroom = env!("CARGO_BIN_EXE_greenroom");
    let ran = shell.run(&[
        "dev", "--data", "kept", "--", greenroom, "room", "ls", "--json",
    ]);
    assert_eq!(
        (ran.code, &*ran.stdout),
        (Some(0), "{\"rooms\":[]}\n"),
        "{}",
        ran.stderr
    );
    assert!(shell.path("kept").exists());
}

#[test]
fn a_command_that_there_is_not_is_named() {
    let ran = Shell::new().run(&["dev", "-q", "--", "no-such-program"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    let told = ran.stderr.lines().filter(|line| !line.starts_with('{'));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "error: cannot run `no-such-program`: No such file or directory (os error 2)",
            "hint: what stands behind `--` is a program and its arguments: `dev -- npm test`",
        ]
    );
}

#[test]
fn signals_are_passed_on_and_nothing_is_left() {
    let shell = Shell::new().set("PATH", "/usr/bin:/bin");
    // The grandchild does not care for signals, and holds the pipe open for as long as it lives.
    let script = "trap 'echo told; exit 5' TERM; (trap '' TERM; sleep 1000) & echo begun; wait";
    let mut child = shell
        .command(&["dev", "--", "sh", "-c", script])
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "told\n");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
