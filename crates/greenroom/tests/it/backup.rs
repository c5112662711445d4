//! `backup` and `restore` with what they say; what they carry is tested with the store and with real
//! clients.

use std::fs;

use crate::command::{Ran, SECRET, Shell};
use crate::server::Running;

const FREE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A server, and its address.
fn serving(shell: &Shell, more: &[&str]) -> (Running, String) {
    let serve = [&["serve", FREE[0], FREE[1]], more].concat();
    let running = Running::start(shell, &serve);
    let url = format!("http://{}", running.address());
    (running, url)
}

/// With the time and the sum, which differ from run to run, named.
fn naming_the_moment(ran: Ran) -> Ran {
    let after = |ran: &Ran, word: &str| {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let rest = said.split_once(word).map(|(_, rest)| rest.to_owned());
        let end = |c: char| c == ':' || c == ')' || c == ' ' || c == '\n';
        let text = rest.unwrap_or_default();
        let length = if word == " as of " {
            20
        } else {
            text.find(end).unwrap_or(0)
        };
        text[..length].to_owned()
    };
    let (when, sum) = (after(&ran, " as of "), after(&ran, "sha256 "));
    let ran = ran.naming(&when, "THEN");
    if sum.is_empty() {
        ran
    } else {
        ran.naming(&sum, "SUM")
    }
}

const KEYS_HINT: &str =
    "hint: signing keys are not part of a backup: keep a copy of keys.json apart from it\n";

#[test]
fn a_running_server_is_copied_and_the_copy_restored() {
    let shell = Shell::new();
    let (_running, url) = serving(&shell, &[]);
    let ran = shell.run(&["backup", "store.backup", "--server", &url]);
    naming_the_moment(ran).check(
        0,
        "Copied 0 rooms as of THEN: 0 snapshots, 0 rows, 44 B (sha256 SUM)\n",
        KEYS_HINT,
    );
    assert!(!shell.path("store.backup.part").exists());
    let ran = shell.run(&["restore", "store.backup", "--data", "other"]);
    naming_the_moment(ran).check(
        0,
        "Restored 0 rooms as of THEN into other, each in a new incarnation: 0 snapshots, 0 rows\n",
        "hint: `greenroom serve --data other` serves it\n",
    );
    let other = shell.run(&["restore", "store.backup", "--data", "third", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&other.stdout).unwrap();
    assert_eq!(
        (&object["rooms"], &object["damaged"]),
        (&0.into(), &0.into())
    );
    drop(serving(&shell, &["--data", "other"]));
}

#[test]
fn a_backup_may_be_piped() {
    let shell = Shell::new();
    let (_running, url) = serving(&shell, &[]);
    let command = shell
        .command(&["-s", &url, "backup", "-"])
        .output()
        .unwrap();
    assert_eq!(command.status.code(), Some(0));
    let said = String::from_utf8(command.stderr).unwrap();
    assert!(said.starts_with("Copied 0 rooms as of "), "{said}");
    fs::write(shell.path("piped"), command.stdout).unwrap();
    let ran = shell.run(&["restore", "piped", "--data", "other", "-q"]);
    assert_eq!(ran.code, Some(0));
}

#[test]
fn a_server_that_does_not_run_is_copied_by_its_directory() {
    let shell = Shell::new();
    let (running, _) = serving(&shell, &[]);
    shell
        .run(&["backup", "a", "--data", "data"])
        .naming(&running.pid(), "PID")
        .check(
            1,
            "",
            "\
error: data: data directory is in use by process PID
hint: leave `--data` out: a running server is asked over HTTP
",
        );
    drop(running);
    let ran = shell.run(&["backup", "a", "--data", "data", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&object["file"], &object["rooms"]),
        (&"a".into(), &0.into())
    );
    shell.run(&["backup", "b", "--data", "nowhere"]).check(
        2,
        "",
        "\
error: there is no directory nowhere
hint: name the data directory of a server, or leave `--data` out to ask a server
",
    );
    fs::create_dir(shell.path("empty")).unwrap();
    shell.run(&["backup", "b", "--data", "empty"]).check(
        1,
        "",
        "\
error: empty: data directory holds no store
hint: name the data directory of a server with --data
",
    );
    assert!(!shell.path("b.part").exists());
}

#[test]
fn a_backup_is_for_operators() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let (_running, url) = serving(&shell, &[]);
    let hint = "\
hint: `greenroom token new --user ops --admin` mints one; give it with `--token` or GREENROOM_TOKEN
";
    let backup = ["backup", "a", "-s", &url];
    let refusal = format!("error: a token is needed here\n{hint}");
    shell.run(&backup).check(1, "", &refusal);
    let token = |more: &[&str]| {
        let ran = shell.run(&[&["token", "new", "--user", "ada"], more].concat());
        ran.stdout.trim().to_owned()
    };
    let narrow = token(&["--room", "**"]);
    let refusal = format!("error: the token does not allow to operate the server\n{hint}");
    shell
        .run(&[&backup[..], &["--token", &narrow]].concat())
        .check(1, "", &refusal);
    let wide = token(&["--admin"]);
    let ran = shell.run(&[&backup[..], &["--token", &wide]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_copied_is_told() {
    let shell = Shell::new();
    let (_running, url) = serving(&shell, &["--data", ":memory:"]);
    shell.run(&["backup", "a", "-s", &url]).check(
        1,
        "",
        "error: this server keeps its data in memory: there is nothing to copy\n",
    );
    fs::write(shell.path("a"), "").unwrap();
    shell.run(&["backup", "a", "-s", &url]).check(
        2,
        "",
        "error: a exists\nhint: name another file, or remove that one\n",
    );
    shell.run(&["backup", "no/where", "-s", &url]).check(
        1,
        "",
        "error: cannot write no/where.part: No such file or directory (os error 2)\n",
    );
}

#[test]
fn nothing_is_restored_over_something() {
    let shell = Shell::new();
    let (running, url) = serving(&shell, &[]);
    shell.run(&["backup", "store.backup", "-s", &url]);
    drop(running);
    let into = |data: &str, expected: &str| {
        let ran = shell.run(&["restore", "store.backup", "--data", data]);
        ran.check(1, "", expected);
    };
    let refusal = "hint: name an empty directory with --data\n";
    into(
        "data",
        &format!("error: data: data directory is not empty\n{refusal}"),
    );
    fs::create_dir(shell.path("mine")).unwrap();
    fs::write(shell.path("mine/letter.txt"), "dear").unwrap();
    into(
        "mine",
        &format!("error: mine: data directory is not empty\n{refusal}"),
    );
    let whole = fs::read(shell.path("store.backup")).unwrap();
    fs::write(shell.path("store.backup"), &whole[..40]).unwrap();
    let hint = "hint: take another copy of the file, or an older backup\n";
    into(
        "new",
        &format!("error: store.backup: the backup is cut off: its end is missing\n{hint}"),
    );
    fs::write(shell.path("store.backup"), "PK").unwrap();
    into(
        "new",
        "\
error: store.backup: that is not a backup of a Greenroom
hint: `greenroom backup FILE` writes one
",
    );
    assert!(!shell.path("new").exists());
    shell.run(&["restore", "nothing", "--data", "new"]).check(
        1,
        "",
        "error: cannot read nothing: No such file or directory (os error 2)\n",
    );
}
