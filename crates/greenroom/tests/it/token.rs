use std::fs;

use greenroom_server::auth::{Claims, Grant, Rights};

use crate::command::{Ran, SECRET, Shell, secret_keys};

/// A token of Ada for `docs/*`, good from `iat` to `exp`.
fn ada(iat: u64, exp: u64) -> String {
    let claims = Claims {
        sub: "ada".to_owned(),
        name: None,
        info: None,
        rooms: vec![Grant {
            pattern: "docs/*".parse().unwrap(),
            rights: Rights::ALL,
        }],
        iat,
        nbf: Some(iat),
        exp,
        admin: false,
        jti: None,
    };
    secret_keys().mint(&claims).unwrap()
}

/// What stands after `expires`, which differs from run to run.
fn naming_the_end(ran: Ran) -> Ran {
    let line = ran.stdout.lines().find(|l| l.starts_with("expires"));
    let end = line.unwrap()["expires  ".len()..].to_owned();
    let bytes = end.as_bytes();
    assert!(bytes[4] == b'-' && bytes[19] == b'Z', "{end}");
    ran.naming(&end, "THEN")
}

#[test]
fn a_token_goes_round() {
    let shell = Shell::new();
    let ran = shell.run(&["token", "init"]);
    ran.naming(&shell.key_id("data"), "KEY").check(
        0,
        "./data/keys.json\n",
        "key KEY signs from now on, 1 in all; only you can read the file\n",
    );
    let minted = shell.run(&[
        "token",
        "new",
        "--user",
        "ada",
        "--name",
        "Ada L.",
        "--room",
        "docs/*",
        "--room",
        "lobby",
        "--rights",
        "read,presence",
        "--ttl",
        "7d",
    ]);
    let token = minted.stdout.trim_end().to_owned();
    assert_eq!(token.split('.').count(), 3);
    minted.naming(&token, "TOKEN").check(0, "TOKEN\n", "");

    let said = "\
user     ada
name     Ada L.
room     docs/*  read,presence
room     lobby  read,presence
expires  THEN
";
    naming_the_end(shell.run(&["token", "verify", &token])).check(0, said, "");
    naming_the_end(shell.run(&["token", "verify", "--token", &token])).check(0, said, "");
    let piped = shell.run_with_input(&["token", "verify", "-"], &format!("{token}\n"));
    naming_the_end(piped).check(0, said, "");
}

#[test]
fn a_token_stays_good_when_keys_rotate() {
    let shell = Shell::new();
    shell.run(&["token", "init"]);
    let old = shell.run(&["token", "new", "--user", "ada", "--admin"]);
    shell.run(&["token", "init"]).check(
        1,
        "",
        "\
error: ./data/keys.json exists
hint: `greenroom token init --rotate` adds a key that signs from now on; tokens of the old ones stay good
",
    );
    let rotated = shell.run(&["token", "init", "--rotate"]);
    rotated.naming(&shell.key_id("data"), "KEY").check(
        0,
        "./data/keys.json\n",
        "\
key KEY signs from now on, 2 in all; only you can read the file
hint: restart the server, so that it learns of the new key
",
    );
    let verified = shell.run(&["token", "verify", old.stdout.trim_end()]);
    naming_the_end(verified).check(
        0,
        "user     ada\nadmin    all rights in all rooms\nexpires  THEN\n",
        "",
    );
}

#[test]
fn json_is_for_programs() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let minted = shell.run(&[
        "token", "new", "--user", "ada", "--room", "a", "--rights", "read", "--json",
    ]);
    let object: serde_json::Value = serde_json::from_str(&minted.stdout).unwrap();
    assert_eq!(object["key_id"], "iojj3XQJ8ZX9");
    let token = object["token"].as_str().unwrap();
    let verified = shell.run(&["token", "verify", token, "--json"]);
    let claims: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(claims["exp"], object["expires_unix_s"]);
    assert_eq!(claims["sub"], "ada");
    let read_a = serde_json::json!([{ "pattern": "a", "rights": ["read"] }]);
    assert_eq!(claims["rooms"], read_a);
}

#[test]
fn a_bad_token_is_told_why() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let check = |token: &str, expected: &str| {
        let ran = shell.run(&["token", "verify", token]);
        ran.check(1, "", expected);
    };
    let good = ada(0, 99_999_999_999);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    check(
        &format!(
            "{signed}.{}",
            signature.replace(&signature[..9], "AAAAAAAAA")
        ),
        "error: the token's signature is not valid\n",
    );
    check(
        signed,
        "\
error: the token is malformed: it has not three parts with dots between
hint: take it whole, as `greenroom token new` prints it: one line, two dots
",
    );
    check(
        "pk_localdev",
        "\
error: the token is malformed: it has not three parts with dots between
hint: take it whole, as `greenroom token new` prints it: one line, two dots
",
    );
    let early = shell.run(&["token", "verify", &ada(90_000_000_000, 99_999_999_999)]);
    assert_eq!(early.code, Some(1));
    assert!(early.stderr.starts_with("error: the token is good in "));
    let late = shell.run(&["token", "verify", &ada(0, 1_000_000_000)]);
    assert_eq!((late.code, &late.stdout[..]), (Some(1), ""));
    let (first, hint) = late.stderr.split_once('\n').unwrap();
    assert!(first.starts_with("error: the token expired ") && first.ends_with(" s ago"));
    assert_eq!(
        hint,
        "hint: `greenroom token new` mints another; `--ttl` makes it last\n"
    );
}

#[test]
fn a_token_of_another_key_is_refused() {
    let shell = Shell::new();
    shell.run(&["token", "init"]);
    shell
        .run(&["token", "verify", &ada(0, 99_999_999_999)])
        .check(
            1,
            "",
            "\
error: the token is signed with a key that this server does not know
hint: `--data DIR` names the data directory of the server that minted it
",
        );
}

#[test]
fn without_a_key_nothing_is_minted() {
    let shell = Shell::new();
    let new = ["token", "new", "--user", "ada", "--room", "a"];
    let hint = "hint: create one with `greenroom token init`, or set GREENROOM_SECRET_KEY\n";
    shell.run(&new).check(
        1,
        "",
        &format!("error: no keys file in ./data or ./.greenroom\n{hint}"),
    );
    shell.run(&[&new[..], &["--data", "there"]].concat()).check(
        1,
        "",
        &format!("error: there is no there/keys.json\n{hint}"),
    );
}

#[test]
fn the_keys_of_a_local_server_are_found() {
    let shell = Shell::new();
    shell.run(&["token", "init", "--data", "./.greenroom"]);
    let minted = shell.run(&["token", "new", "--user", "ada", "--room", "a", "-v"]);
    assert_eq!(minted.code, Some(0));
    let key = shell.key_id(".greenroom");
    let expected = format!("signed with key {key}, good until 2");
    assert!(minted.stderr.starts_with(&expected), "{}", minted.stderr);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let check = |more: &[&str], expected: &str| {
        let new = ["token", "new", "--user", "ada"];
        shell.run(&[&new[..], more].concat()).check(2, "", expected);
    };
    check(
        &["--room", "a", "--rights", "read,fly"],
        "error: `fly` is not a right\nhint: rights are read,write,presence, with commas between\n",
    );
    check(
        &["--room", "a", "--ttl", "1w"],
        "error: `1w` is not a time\nhint: write `90s`, `30m`, `1h` or `7d`\n",
    );
    check(
        &["--room", ""],
        "error: --room ``: a room pattern has at least one character\n",
    );
    check(
        &[],
        "\
error: the following required arguments were not provided:
  --room <PATTERN>

Usage: greenroom token new --user <USER> --room <PATTERN>

hint: `--help` shows what there is
",
    );
    shell.run(&["token", "verify"]).check(
        2,
        "",
        "error: no token to check\nhint: `greenroom token verify TOKEN`, `-` for stdin, or GREENROOM_TOKEN\n",
    );
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", "sk_secret");
    shell.run(&["token", "verify", "x"]).check(
        2,
        "",
        "\
error: GREENROOM_SECRET_KEY: it is no secret key: a secret key is `sk_` and 43 characters of base64url (32 bytes)
hint: `greenroom token init` makes one: the field `secret` of its keys file
",
    );
}

#[test]
fn a_secret_key_comes_from_a_file_too() {
    let secrets = Shell::new();
    let path = |name: &str| secrets.path(name).display().to_string();
    fs::write(path("greenroom.secret_key"), format!("{SECRET}\n")).unwrap();
    fs::create_dir(path("empty")).unwrap();
    let token = ada(0, 99_999_999_999);
    let check = |name: &str, value: &str, code: i32| {
        let ran = Shell::new()
            .set(name, value)
            .run(&["token", "verify", &token]);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    };
    check(
        "GREENROOM_SECRET_KEY_FILE",
        &path("greenroom.secret_key"),
        0,
    );
    check("GREENROOM_SECRET_KEY_FILE", &path("not-there"), 2);
    check("CREDENTIALS_DIRECTORY", &path(""), 0);
    check("CREDENTIALS_DIRECTORY", &path("empty"), 1);
}

#[cfg(unix)]
#[test]
fn a_keys_file_that_everybody_reads_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    shell.run(&["token", "init"]);
    let keys = shell.path("data/keys.json");
    fs::set_permissions(keys, fs::Permissions::from_mode(0o644)).unwrap();
    let expected = "\
error: ./data/keys.json can be read by everybody on this machine (mode 644)
hint: chmod 600 ./data/keys.json
";
    for arguments in [
        &["token", "new", "--user", "ada", "--room", "a"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["dev", "--data", "./data", "--listen", "127.0.0.1:0"],
    ] {
        shell.run(arguments).check(2, "", expected);
    }
}

#[test]
fn a_link_to_the_console_names_the_server() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    let ran = shell.run(&["token", "admin", "--server", "https://rooms.example.com/"]);
    let url = ran.stdout.trim_end().to_owned();
    let token = url
        .strip_prefix("https://rooms.example.com/console#token=")
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let link = secret_keys().verify_console_link(token, now).unwrap();
    assert_eq!((&*link.sub, link.exp - link.iat), ("admin", 30 * 60));
    let said = "good for one sign-in, for 30 min; who has the link may do everything\n";
    ran.naming(&url, "URL").check(0, "URL\n", said);

    let json = shell.run(&["token", "admin", "--user", "ada", "--ttl", "5m", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let url = object["url"].as_str().unwrap();
    let token = url
        .strip_prefix("http://127.0.0.1:8080/console#token=")
        .unwrap();
    assert_eq!(
        secret_keys().verify_console_link(token, now).unwrap().sub,
        "ada"
    );

    shell.run(&["token", "admin", "--ttl", "2d"]).check(
        2,
        "",
        "error: a link is good for at most 24h, `2d` is longer\nhint: print a new one when it is needed\n",
    );
    // It is no token.
    shell.run(&["token", "verify", token]).check(
        1,
        "",
        "\
error: the token is malformed: it is of another kind: a console link signs in once at `/console`, a token does not
hint: take it whole, as `greenroom token new` prints it: one line, two dots
",
    );
}
