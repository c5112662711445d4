//! `room` with what it says; what it carries is tested with the server.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::command::{Ran, SECRET, Shell};
use crate::server::Running;

/// A server in development, and its address.
fn dev(shell: &Shell) -> (Running, String) {
    let running = Running::start(shell, &["dev", "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}", running.address());
    (running, url)
}

/// Asks a server as any program would.
fn put(running: &Running, path: &str, kind: &str, body: &str) {
    let mut stream = TcpStream::connect(running.address()).unwrap();
    let length = body.len();
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// A room with metadata and a text.
fn written(running: &Running) {
    let metadata = r#"{"metadata":{"title":"Plans"}}"#;
    put(running, "/api/rooms/docs%2Fa", "application/json", metadata);
    let text = "/api/rooms/docs%2Fa/document/text?root=t";
    put(running, text, "text/plain", "Hello");
}

/// With the text behind `word`, which differs from run to run, named.
fn naming(ran: Ran, word: &str, name: &str) -> Ran {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let (_, rest) = said.split_once(word).unwrap_or_else(|| panic!("{said}"));
    let end = rest.find([' ', ')', ',', '\n']).unwrap();
    ran.naming(&rest[..end], name)
}

#[test]
fn rooms_are_listed_and_shown() {
    let shell = Shell::new();
    let (running, url) = dev(&shell);
    let shell = shell.set("GREENROOM_URL", &url);
    shell.run(&["room", "ls"]).check(0, "", "no rooms\n");
    written(&running);
    put(&running, "/api/rooms/b", "application/json", "{}");
    let ran = shell.run(&["room", "ls"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(
        lines[0], "ROOM    KIND    PEOPLE  SEQ  CHANGED",
        "{}",
        ran.stderr
    );
    assert!(
        lines[1].starts_with("b       collab       -    1  "),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("docs/a  collab       -    2  "),
        "{}",
        lines[2]
    );
    let ran = shell.run(&["room", "ls", "docs/*", "--json"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(object["rooms"].as_array().unwrap().len(), 1);
    assert_eq!(object["rooms"][0]["id"], "docs/a");

    let ran = naming(shell.run(&["room", "show", "docs/a"]), "created ", "THEN");
    let (first, rest) = ran.stdout.split_once('\n').unwrap();
    assert!(
        first.starts_with("docs/a  collab  live  seq 2  created THEN  changed "),
        "{first}"
    );
    assert!(first.ends_with("  nobody is in it"), "{first}");
    // The server's client id is drawn anew each time, and so is the length of its digits.
    let (document, metadata) = rest.split_once('\n').unwrap();
    assert!(document.starts_with("Documents  \"\" "), "{document}");
    assert!(
        document.ends_with(" B, 1 record since its snapshot"),
        "{document}"
    );
    assert_eq!(metadata, "Metadata   {\"title\":\"Plans\"}\n");
    let ran = shell.run(&["room", "show", "docs/a", "--json"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&object["id"], &object["seq"]),
        (&"docs/a".into(), &2.into())
    );
    shell.run(&["room", "show", "none"]).check(
        1,
        "",
        "\
error: there is no room `none`
hint: `GET /api/rooms` lists the rooms; a room is made by its first write
",
    );
}

#[test]
fn a_room_is_exported_imported_and_deleted() {
    let shell = Shell::new();
    let (running, url) = dev(&shell);
    let shell = shell.set("GREENROOM_URL", &url);
    written(&running);
    let ran = naming(shell.run(&["room", "export", "docs/a"]), "sha256 ", "SUM");
    naming(ran, "records, ", "N").check(
        0,
        "Exported docs/a at seq 2: 0 snapshots, 2 records, N B (sha256 SUM) in docs-a.room\n",
        "",
    );
    shell.run(&["room", "export", "docs/a"]).check(
        2,
        "",
        "error: docs-a.room exists\nhint: name another file, or remove that one\n",
    );
    shell.run(&["room", "import", "docs-a.room"]).check(
        1,
        "",
        "\
error: there is a room `docs/a` already, and an import replaces none
hint: import it under another name, or delete that room first
",
    );
    let ran = shell.run(&["room", "import", "docs-a.room", "--as", "copy"]);
    let ran = naming(naming(ran, "sha256 ", "SUM"), "seq 2 of ", "THEN");
    naming(ran, "THEN, ", "N").check(
        0,
        "Imported copy at seq 2 from docs/a at seq 2 of THEN, N B (sha256 SUM)\n",
        "",
    );
    let file = fs::read(shell.path("docs-a.room")).unwrap();
    fs::write(shell.path("cut"), &file[..file.len() - 1]).unwrap();
    let at = file.len() - 5;
    shell.run(&["room", "import", "cut", "--as", "c"]).check(
        1,
        "",
        &format!(
            "\
error: cut: the file is cut off: the piece that begins at byte {at} is not whole
hint: take another copy of the file, or export the room again
"
        ),
    );
    let mut flipped = file.clone();
    flipped[at - 6] ^= 1;
    fs::write(shell.path("flipped"), flipped).unwrap();
    let ran = shell.run(&["room", "import", "flipped", "--as", "c"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains(": its checksum does not match\n"),
        "{}",
        ran.stderr
    );

    shell.run(&["room", "rm", "copy"]).check(
        2,
        "",
        "\
error: a room is deleted for good, and nobody is there to ask
hint: `--yes` deletes without asking; `greenroom room export` keeps a copy
",
    );
    shell
        .run(&["room", "rm", "copy", "--yes"])
        .check(0, "Deleted copy\n", "");
    let ran = shell.run(&["room", "rm", "docs/a", "-y", "--json"]);
    ran.check(0, "{\"deleted\":true,\"room\":\"docs/a\"}\n", "");
    shell.run(&["room", "ls"]).check(0, "", "no rooms\n");
}

#[test]
fn a_tail_is_lines_or_objects() {
    let shell = Shell::new();
    let (running, url) = dev(&shell);
    let shell = shell.set("GREENROOM_URL", &url);
    written(&running);
    let follow = |more: &[&str]| {
        let arguments = [&["room", "tail", "docs/a", "--from", "1"], more].concat();
        let mut child = shell.command(&arguments).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line
    };
    let line = follow(&["--kind", "document"]);
    assert!(
        line.contains("          2  -           document   \"\" "),
        "{line}"
    );
    let object: Value = serde_json::from_str(&follow(&["--json"])).unwrap();
    assert_eq!(
        (&object["event"], &object["seq"], &object["kind"]),
        (&"record".into(), &1.into(), &"metadata".into())
    );
    let ran = shell.run(&["room", "tail", "docs/a", "--kind", "live"]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn a_token_comes_from_a_file_too() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let running = Running::start(&shell, &["serve", "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}", running.address());
    let shell = shell.set("GREENROOM_URL", &url);
    let ran = shell.run(&["room", "ls"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let token = shell
        .run(&["token", "new", "--user", "ops", "--admin"])
        .stdout;
    fs::write(shell.path("token"), token).unwrap();
    let shell = shell.set("GREENROOM_TOKEN_FILE", "token");
    shell.run(&["room", "ls"]).check(0, "", "no rooms\n");
    let shell = shell.set("GREENROOM_TOKEN_FILE", "nowhere");
    shell.run(&["room", "ls"]).check(
        2,
        "",
        "\
error: cannot read the token in nowhere: No such file or directory (os error 2)
hint: GREENROOM_TOKEN_FILE names a file that holds it
",
    );
}

#[test]
fn versions_are_kept_compared_and_brought_back() {
    let shell = Shell::new();
    let (running, url) = dev(&shell);
    let at = shell.set("GREENROOM_URL", &url);
    written(&running);
    let versions = |words: &[&str]| at.run(&[&["room", "versions"], words].concat());
    versions(&["ls", "docs/a"]).check(0, "", "no versions\n");
    let kept = versions(&["keep", "docs/a", "--label", "the first", "--json"]);
    let kept: Value = serde_json::from_str(&kept.stdout).unwrap();
    let id = kept["id"].to_string();
    let lines = versions(&["ls", "docs/a"]).stdout;
    let (head, row) = lines.split_once('\n').unwrap();
    assert!(
        head.starts_with("ID             MADE                  KIND "),
        "{head}"
    );
    assert!(row.starts_with(&format!("{id}  2")), "{row}");
    assert!(row.ends_with("  -   the first\n"), "{row}");
    versions(&["diff", "docs/a", &id]).check(0, "", "nothing is different\n");
    let text = "/api/rooms/docs%2Fa/document/text?root=t";
    put(&running, text, "text/plain", "Bye");
    versions(&["show", "docs/a", &id, "--as", "text"]).check(0, "Hello\n", "");
    versions(&["diff", "docs/a", &id]).check(
        0,
        "--- a/t\n+++ b/t\n@@ -1 +1 @@\n-Hello\n+Bye\n",
        "",
    );
    versions(&["diff", "docs/a", &id, "--root", "t", "--json"]).check(
        0,
        "[{\"op\":\"replace\",\"path\":\"\",\"value\":\"Bye\"}]\n",
        "",
    );
    let restored = format!("Restored version {id} of docs/a at seq 4\n");
    versions(&["restore", "docs/a", &id]).check(0, &restored, "");
    versions(&["restore", "docs/a", &id]).check(0, "", "nothing is different\n");
    let dropped = format!("Dropped version {id} of docs/a\n");
    versions(&["rm", "docs/a", &id]).check(0, &dropped, "");
    versions(&["show", "docs/a", &id]).check(
        1,
        "",
        &format!(
            "\
error: the document has no version {id}
hint: `GET /api/rooms/{{room}}/document/versions` lists them
"
        ),
    );
    let other = versions(&["keep", "docs/a", "--document", "notes"]);
    other.check(
        1,
        "",
        "error: nothing was ever written into the document: there is no state to keep\n",
    );
}

#[test]
fn a_version_survives_a_killed_server() {
    let shell = Shell::new();
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    let running = Running::start(&shell, &serve);
    let at = format!("http://{}", running.address());
    written(&running);
    let keep = [
        "room", "versions", "keep", "docs/a", "--json", "--server", &at,
    ];
    let kept: Value = serde_json::from_str(&shell.run(&keep).stdout).unwrap();
    // SIGKILL: it is told of nothing.
    drop(running);
    let running = Running::start(&shell, &serve);
    let at = format!("http://{}", running.address());
    let id = kept["id"].to_string();
    let show = [
        "room", "versions", "show", "docs/a", &id, "--as", "text", "--server", &at,
    ];
    shell.run(&show).check(0, "Hello\n", "");
}
