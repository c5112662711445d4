use std::fs;

use crate::command::{SECRET, Shell};

fn shell_with(name: &str, text: &str) -> Shell {
    let shell = Shell::new();
    fs::write(shell.path(name), text).unwrap();
    shell
}

#[test]
fn a_file_without_fault_is_good() {
    let shell = shell_with(
        "greenroom.toml",
        "\
listen = \"0.0.0.0:9000\"
origins = [\"https://app.example.com\"]

[limits]
outbox_bytes_max = \"2MiB\"

[[rooms]]
pattern = \"counter/*\"
kind = \"counter\"
",
    );
    let check = ["config", "check", "greenroom.toml"];
    shell.run(&check).check(0, "", "greenroom.toml is good\n");
}

#[test]
fn every_fault_of_a_file_is_shown_at_its_place() {
    let shell = shell_with(
        "greenroom.toml",
        "\
lisen = \"0.0.0.0:9000\"
drain_ms = \"long\"

[limits]
ping_interval = 5
faults_max = 0
room_idle_ms = \"1d\"
listen = \"127.0.0.1:1\"

[[rooms]]
pattern = \"counter/*\"
kind = \"conter\"
",
    );
    shell.run(&["config", "check", "greenroom.toml"]).check(
        2,
        "",
        "\
error: unknown key `lisen`
  ╭─[greenroom.toml:1:1]
1 │ lisen = \"0.0.0.0:9000\"
  │ ──┬──  did you mean `listen`?
error: `drain_ms`: `long` is not a whole number, alone or with one of ms, h, m, s
  ╭─[greenroom.toml:2:12]
2 │ drain_ms = \"long\"
  │            ──┬───
error: unknown key `ping_interval` in [limits]
  ╭─[greenroom.toml:5:1]
5 │ ping_interval = 5
  │ ──┬──────────  did you mean `ping_interval_ms`?
error: `limits.faults_max`: 0 is not between 1 and 1000
  ╭─[greenroom.toml:6:14]
6 │ faults_max = 0
  │              ┬
error: `limits.room_idle_ms`: `1d` is not a whole number, alone or with one of ms, h, m, s
  ╭─[greenroom.toml:7:16]
7 │ room_idle_ms = \"1d\"
  │                ──┬─
error: unknown key `listen` in [limits]
  ╭─[greenroom.toml:8:1]
8 │ listen = \"127.0.0.1:1\"
  │ ──┬───  it belongs at the top, before any table
error: `rooms`: `conter` is none of collab, relay, echo, counter
   ╭─[greenroom.toml:12:8]
12 │ kind = \"conter\"
   │        ──┬─────  did you mean `counter`?
",
    );
}

#[test]
fn json_says_the_same_tree() {
    let shell = shell_with(
        "greenroom.json",
        "{ \"$schema\": \"greenroom.schema.json\",\n  \"limits\": { \"faults_max\": 4 } }\n",
    );
    let show = ["config", "show", "--config", "greenroom.json", "--origin"];
    let shown = shell.run(&show);
    let line = "faults_max = 4  # greenroom.json:2\n";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    let shell = shell_with("a.json", "{\n  \"limits\": { \"fault_max\": 4 },\n}\n");
    shell.run(&["config", "check", "a.json"]).check(
        2,
        "",
        "\
error: a.json is not JSON: key must be a string
  ╭─[a.json:3:1]
3 │ }
  │ ┬
",
    );
    let shell = shell_with("a.json", "{\n  \"limits\": { \"fault_max\": 4 }\n}\n");
    shell.run(&["config", "check", "a.json"]).check(
        2,
        "",
        "\
error: unknown key `fault_max` in [limits]
  ╭─[a.json:2:15]
2 │   \"limits\": { \"fault_max\": 4 }
  │               ──┬────────  did you mean `faults_max`?
",
    );
}

#[test]
fn what_is_no_toml_is_shown_at_its_place() {
    let shell = shell_with("greenroom.toml", "listen = \"0.0.0.0:9000\n");
    let ran = shell.run(&["config", "check", "greenroom.toml"]);
    assert_eq!(ran.code, Some(2));
    let start = "error: greenroom.toml is not TOML: ";
    assert!(ran.stderr.starts_with(start), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("╭─[greenroom.toml:1:"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let no = "cannot read nowhere.toml: No such file or directory (os error 2)";
    for arguments in [
        &["config", "check", "nowhere.toml"][..],
        &["serve", "--config", "nowhere.toml"],
    ] {
        Shell::new()
            .run(arguments)
            .check(2, "", &format!("error: {no}\n"));
    }
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let shell = shell_with(
        "greenroom.toml",
        "\
listen = \"127.0.0.1:1\"
data = \"of-the-file\"
compression = true
drain_ms = \"1s\"
origins = [\"https://file.example.com\"]

[log]
form = \"text\"

[limits]
faults_max = 7
room_idle_ms = \"2m\"

[[rooms]]
pattern = \"file/*\"
kind = \"echo\"
",
    )
    .set("GREENROOM_CONFIG", "greenroom.toml")
    .set("GREENROOM_DATA", "of-the-variable")
    .set("GREENROOM_DRAIN_MS", "2000")
    .set("GREENROOM_ROOMS", "a/*=counter, b/*=relay")
    .set("GREENROOM_LIMITS_FAULTS_MAX", "8")
    .set("GREENROOM_SECRET_KEY", SECRET)
    .set("RUST_LOG", "debug")
    .set("PORT", "9000");
    let shown = shell.run(&[
        "config",
        "show",
        "--origin",
        "--drain",
        "3s",
        "--compression=false",
    ]);
    let told: Vec<_> = shown
        .stdout
        .lines()
        .filter(|line| !line.ends_with("# default"))
        .collect();
    assert_eq!(
        told.join("\n"),
        "\
listen = \"127.0.0.1:9000\"  # PORT, greenroom.toml:1
data = \"of-the-variable\"  # GREENROOM_DATA
# secret_key is set  # GREENROOM_SECRET_KEY
origins = [\"https://file.example.com\"]  # greenroom.toml:5
compression = false  # --compression
drain_ms = 3000  # --drain

[webhooks]

[tls]

[log]
form = \"text\"  # greenroom.toml:8
filter = \"debug\"  # RUST_LOG

[limits]
room_idle_ms = 120000  # greenroom.toml:12
faults_max = 8  # GREENROOM_LIMITS_FAULTS_MAX

[[rooms]]  # GREENROOM_ROOMS, greenroom.toml:14
pattern = \"a/*\"
kind = \"counter\"

[[rooms]]
pattern = \"b/*\"
kind = \"relay\"

[[rooms]]
pattern = \"file/*\"
kind = \"echo\""
    );
    assert!(!shown.stdout.contains(SECRET));
}

#[test]
fn what_show_prints_is_a_file_that_says_the_same() {
    let shell = Shell::new();
    let first = shell.run(&["config", "show", "--rooms", "a=echo", "--drain", "7s"]);
    fs::write(shell.path("again.toml"), &first.stdout).unwrap();
    let again = shell.run(&["config", "show", "--config", "again.toml"]);
    again.check(0, &first.stdout, "");
    let json = shell.run(&["config", "show", "--config", "again.toml", "--json"]);
    fs::write(shell.path("again.json"), &json.stdout).unwrap();
    let again = shell.run(&["config", "show", "--config", "again.json"]);
    again.check(0, &first.stdout, "");
}

#[test]
fn dev_has_its_own_defaults_and_finds_its_file() {
    let shell = shell_with("greenroom.toml", "lan = true\n");
    let dev = shell.run(&["config", "show", "--dev", "--origin"]);
    assert_eq!(dev.stderr, "configuration in ./greenroom.toml\n");
    let start = "\
listen = \"0.0.0.0:8080\"  # greenroom.toml:1
data = \"./.greenroom\"  # default
lan = true  # greenroom.toml:1
";
    assert!(dev.stdout.starts_with(start), "{}", dev.stdout);
    let serve = shell.run(&["config", "show"]);
    assert_eq!(
        serve.stderr,
        "./greenroom.toml is not read: `serve` reads the file that --config names\n"
    );
}

#[test]
fn a_variable_that_nobody_reads_is_pointed_out() {
    let shell = Shell::new()
        .set("GREENROOM_LISEN", "0.0.0.0:1")
        .set("GREENROOM_PORT", "tcp://10.0.0.1:80")
        .set("GREENROOM_SERVICE_HOST", "10.0.0.1")
        .set("GREENROOM_PORT_8080_TCP_ADDR", "10.0.0.1");
    assert_eq!(
        shell.run(&["config", "show"]).stderr,
        "warning: nothing reads GREENROOM_LISEN; did you mean GREENROOM_LISTEN?\n"
    );
}

#[test]
fn a_secret_is_read_from_a_file_and_said_once() {
    let shell = shell_with("key", &format!("{SECRET}\n"));
    let shell = shell.set("GREENROOM_SECRET_KEY_FILE", "key");
    let shown = shell.run(&["config", "show", "--origin"]);
    let line = "# secret_key is set  # GREENROOM_SECRET_KEY_FILE\n";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    fs::write(shell.path("a.toml"), format!("secret_key = \"{SECRET}\"\n")).unwrap();
    let both = shell.run(&["config", "show", "--config", "a.toml"]);
    both.check(
        2,
        "",
        "error: GREENROOM_SECRET_KEY_FILE and a.toml:1 both give a secret\nhint: say it once\n",
    );
    let shell = shell.set("GREENROOM_SECRET_KEY_FILE", "nowhere");
    shell.run(&["serve"]).check(
        2,
        "",
        "error: GREENROOM_SECRET_KEY_FILE: cannot read nowhere: No such file or directory (os error 2)\n",
    );
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let shell = shell_with("a.toml", "secret_key = \"my secret\"\n");
    shell.run(&["config", "check", "a.toml"]).check(
        2,
        "",
        "\
error: `secret_key`: it is no secret key: a secret key starts with `sk_`
  ╭─[a.toml:1:14]
1 │ secret_key = ··· ·······
  │              ──┬────────
hint: `greenroom token init` makes one: the field `secret` of its keys file
",
    );
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let shell = shell_with("a.toml", "[limits]\nping_interval_ms = \"2m\"\n");
    shell.run(&["config", "check", "a.toml"]).check(
        2,
        "",
        "error: limits: `peer_dead_ms` (60000) is not above `ping_interval_ms` (120000): a silent \
         peer would be taken for dead before it is asked\n",
    );
}

#[test]
fn the_schema_names_every_key() {
    let schema = Shell::new().run(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let shown = Shell::new().run(&["config", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    for (key, value) in shown.as_object().unwrap() {
        let property = &schema["properties"][key];
        assert!(property.is_object(), "{key}");
        for (inner, _) in value.as_object().into_iter().flatten() {
            assert!(property["properties"][inner].is_object(), "{key}.{inner}");
        }
    }
}

#[test]
fn the_reference_is_current() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let written = fs::read_to_string(page).unwrap_or_default();
    let now = Shell::new().run(&["config", "reference"]).stdout;
    assert!(
        written == now,
        "docs/reference/configuration.md is old: `greenroom config reference > docs/reference/configuration.md`"
    );
}

#[test]
fn rules_for_rooms_are_checked_to_the_last_word() {
    let check = |rule: &str, expected: &str| {
        let shell = shell_with("a.toml", &format!("[[rooms]]\npattern = \"x\"\n{rule}\n"));
        let ran = shell.run(&["config", "check", "a.toml"]);
        let first = ran.stderr.lines().next().unwrap_or_default();
        assert_eq!(first, format!("error: {expected}"), "{}", ran.stderr);
        assert_eq!(ran.code, Some(2));
    };
    check(
        "anonymous = [\"fly\"]",
        "`rooms`: `fly` is none of read, write, presence",
    );
    check(
        "anonymous = \"read\"",
        "`rooms`: expected a list, found text",
    );
    check(
        "visibility = \"late\"",
        "`rooms`: `late` is none of early, durable",
    );
    check("retention = \"1d\"", "unknown key `retention` in [[rooms]]");
    check("pattern2 = 1", "unknown key `pattern2` in [[rooms]]");
    check(
        "limits = { faults_max = 0 }",
        "`rooms`: faults_max: 0 is not between 1 and 1000",
    );
    check(
        "limits = { fault_max = 1 }",
        "unknown key `fault_max` in `limits` of [[rooms]]",
    );
    check(
        "limits = { ping_interval_ms = \"2m\" }",
        "the limits of the rooms `x`: `peer_dead_ms` is not above `ping_interval_ms`",
    );
    let shell = shell_with("a.toml", "[[rooms]]\nkind = \"echo\"\n");
    shell.run(&["config", "check", "a.toml"]).check(
        2,
        "",
        "\
error: a room rule has no `pattern`
  ╭─[a.toml:1:1]
1 │ [[rooms]]
  │ ──┬──────
",
    );
}

#[test]
fn rules_for_rooms_are_shown_as_they_are_written() {
    let rules = "\
[[rooms]]
pattern = \"contracts/*\"
anonymous = []
authenticated = [\"read\"]
kind = \"collab\"
limits = { faults_max = 4 }
visibility = \"durable\"
";
    let shell = shell_with("a.toml", rules);
    let shown = shell.run(&["config", "show", "--config", "a.toml"]).stdout;
    assert!(shown.ends_with(rules), "{shown}");
}

#[test]
fn data_is_checked_without_touching_it() {
    let shell = Shell::new();
    let check = ["config", "check", "--data", "data"];
    let none = "error: data: there is no such directory\n";
    shell.run(&check).check(2, "", none);
    fs::create_dir(shell.path("data")).unwrap();
    let empty = "error: data: there is no store in it\n";
    shell.run(&check).check(2, "", empty);
    let running = crate::server::Running::start(
        &shell,
        &["serve", "--data", "data", "--listen", "127.0.0.1:0"],
    );
    shell.run(&check).check(0, "", "data is good: format 2\n");
    drop(running);
    shell.run(&check).check(0, "", "data is good: format 2\n");
}
