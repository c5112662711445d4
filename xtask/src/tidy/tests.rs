use super::{File, Finding, Tree, arrows, docs, places, rust, source, with_folders};

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let names: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    Tree {
        files: files.iter().map(|(path, text)| file(path, text)).collect(),
        paths: with_folders(&names),
    }
}

/// The findings as `line: what`, one to a line.
fn shown(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|f| format!("{}: {}", f.line, f.what))
        .collect();
    lines.join("\n")
}

#[track_caller]
fn check_source(path: &str, text: &str, expected: &str) {
    assert_eq!(
        shown(&rust::check(&file(path, text))),
        expected,
        "in {path}:\n{text}"
    );
}

#[track_caller]
fn check_place(path: &str, text: &str, expected: &str) {
    let own = ["/srv/checkout".to_owned()];
    assert_eq!(
        shown(&places::check(&file(path, text), &own)),
        expected,
        "in {path}:\n{text}"
    );
}

#[test]
fn code_and_comments_are_told_apart() {
    let split = source::split(
        "let a = \"// no\"; // yes \"\nlet b = '\"'; /* one /* two */ still */ let c: &'a str;\n\
         let d = r#\"a \" // b\"#; let r = 1; let e = '\\'';",
    );
    let code: Vec<String> = split
        .code
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        code,
        [
            "let a = ;",
            "let b = ; let c: &'a str;",
            "let d = ; let r = 1; let e = ;"
        ]
    );
    let comments: Vec<&str> = split.comments.lines().map(str::trim).collect();
    assert_eq!(comments, ["// yes \"", "/* one /* two */ still */", ""]);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let code = "\
impl X {
    pub(crate) async fn one(
        &self,
    ) -> u8
    where
        Self: Sized,
    {
        if true {
        }
    }
    fn declared(&self);
    const fn short() {}
}
type F = fn(u8);
";
    let functions = source::functions(code);
    let found: Vec<(&str, usize, usize)> = functions
        .iter()
        .map(|f| (f.name.as_str(), f.line, f.lines))
        .collect();
    assert_eq!(found, [("one", 2, 9), ("short", 12, 1)]);
}

#[test]
fn long_functions_are_found_outside_tests() {
    let body = "    work();\n".repeat(69);
    let long = format!("fn long() {{\n{body}}}\n");
    let right = format!("fn right() {{\n{}}}\n", "    work();\n".repeat(68));
    check_source("a.rs", &long, "1: fn long has 71 lines, 70 allowed");
    check_source("a.rs", &right, "");
    check_source("a/tests.rs", &long, "");
    let inner = long.replace("\n", "\n    ");
    check_source(
        "a.rs",
        &format!("#[cfg(test)]\nmod tests {{\n    {inner}\n}}\n"),
        "",
    );
}

#[test]
fn long_files_are_found_and_tests_do_not_count() {
    let lines = "// a\n".repeat(800);
    check_source("a.rs", &lines, "");
    check_source(
        "a.rs",
        &format!("{lines}// a\n"),
        "1: 801 lines without tests, 800 allowed",
    );
    check_source(
        "a.rs",
        &format!("{lines}#[cfg(test)]\nmod tests {{\n    // a\n}}\n"),
        "",
    );
    check_source("a.rs", &format!("{lines}#[cfg(test)]\nmod tests;\n"), "");
    check_source(
        "web/a.ts",
        &format!("{lines}\n"),
        "1: 801 lines without tests, 800 allowed",
    );
    let room_task = "crates/greenroom-server/src/room_task.rs";
    check_source(room_task, &"// a\n".repeat(199), "");
    let expected = "1: 200 lines without tests, 199 allowed";
    check_source(room_task, &"// a\n".repeat(200), expected);
}

#[test]
fn stubs_and_switched_off_tests_are_found() {
    check_source("a.rs", "fn f() {\n    todo!()\n}\n", "2: todo!");
    check_source(
        "a.rs",
        "fn f() {\n    unimplemented!(\"x\")\n}\n",
        "2: unimplemented!",
    );
    check_source(
        "a.rs",
        "// todo! in words\nlet a = \"todo!()\";\nmytodo!();\n",
        "",
    );
    check_source(
        "a/tests.rs",
        "#[test]\n#[ignore]\nfn f() {}\n",
        "2: a switched-off test",
    );
    check_source(
        "a/tests.rs",
        "#[ignore = \"slow\"]\nfn f() {}\n",
        "1: a switched-off test",
    );
    check_source(
        "a/tests.rs",
        "#[cfg_attr(miri, ignore)]\n",
        "1: a switched-off test",
    );
    check_source(
        "a.test.ts",
        "a();\nit.skip('b', c);\n",
        "2: a switched-off test",
    );
    check_source("a.ts", "skip(1);\nlimit.skip(2);\n", "");
}

#[test]
fn reminders_need_an_issue() {
    let mark = ["TO", "DO"].concat();
    check_source(
        "a.rs",
        &format!("// {mark}: b\n"),
        "1: TODO without an issue number",
    );
    check_source("a.rs", &format!("// {mark}(#12): b\n"), "");
    check_source("a.rs", &format!("let a = \"{mark}\";\n"), "");
    check_source(
        "a.py",
        &format!("\n# {mark} # later\n"),
        "2: TODO without an issue number",
    );
    check_source(
        "a.ts",
        &format!("a(); // {mark}\n"),
        "1: TODO without an issue number",
    );
    check_source("a.ts", &format!("const {mark} = 1;\n"), "");
}

#[test]
fn sleeps_are_found_in_tests_only() {
    check_source("a.rs", "std::thread::sleep(d);\n", "");
    check_source(
        "a/tests.rs",
        "std::thread::sleep(d);\n",
        "1: a sleep in a test",
    );
    check_source(
        "a/tests/it/b.rs",
        "tokio::time::sleep(d).await;\n",
        "1: a sleep in a test",
    );
    check_source(
        "a/tests.rs",
        "use tokio::time::{sleep, timeout};\n",
        "1: a sleep in a test",
    );
    check_source(
        "a/tests.rs",
        "tokio::time::sleep_until(d).await; // thread::sleep\n",
        "",
    );
    check_source(
        "a.rs",
        "#[cfg(test)]\nmod tests {\n    fn f() {\n        thread::sleep(d);\n    }\n}\n",
        "4: a sleep in a test",
    );
    check_source(
        "web/tests/a.ts",
        "await page.waitForTimeout(5);\n",
        "1: a sleep in a test",
    );
}

#[test]
fn the_core_is_kept_deterministic() {
    let core = "crates/greenroom-core/src/a.rs";
    let what = "1: std HashMap, whose order differs between runs";
    check_source(core, "use std::collections::HashMap;\n", what);
    check_source(core, "use std::collections::{BTreeMap, HashMap};\n", what);
    check_source(
        "crates/greenroom-core/src/tests.rs",
        "use std::collections::HashMap;\n",
        what,
    );
    check_source(core, "use hashbrown::HashMap;\n", "");
    check_source(
        core,
        "let now = Instant::now();\n",
        "1: Instant::now in a sans-IO crate",
    );
    check_source(core, "/// Never `Instant::now`.\n", "");
    let server = "crates/greenroom-server/src/a.rs";
    check_source(
        server,
        "use std::collections::HashMap;\nlet now = Instant::now();\n",
        "",
    );
}

#[test]
fn public_names_use_our_words() {
    check_source(
        "a.rs",
        "pub struct RoomChannel;\n",
        "1: the public name RoomChannel says channel",
    );
    check_source(
        "a.rs",
        "pub async fn send_packet() {}\n",
        "1: the public name send_packet says packet",
    );
    check_source(
        "a.rs",
        "    pub plugin: u8,\n",
        "1: the public name plugin says plugin",
    );
    check_source(
        "a.rs",
        "pub struct Outbox;\nfn channel() {}\npub fn channels_yroom() {}\n",
        "",
    );
    check_source(
        "crates/greenroom-core/src/protocol/a.rs",
        "pub struct Packet;\n",
        "",
    );
}

#[test]
fn places_of_one_machine_are_found() {
    let home = ["/ho", "me/"].concat();
    check_place("a.md", "see /srv/checkout/b\n", "1: a path of one machine");
    check_place(
        "a.md",
        &format!("\nin `{home}ann/b`\n"),
        "2: a path of one machine",
    );
    check_place(
        "a.md",
        &format!("GET http://a.example{home}b, ~{home}c, {home}\n"),
        "",
    );
    let host = ["registry", ".npmjs"].concat();
    check_place(
        "a.md",
        &format!("from {host}.org\n"),
        &format!("1: the registry host {host}"),
    );
}

#[test]
fn locks_name_the_default_registry_only() {
    let source = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    check_place("Cargo.lock", source, "");
    check_place(
        "Cargo.lock",
        "source = \"registry+https://mirror.example/index\"\n",
        "1: a lock on registry+https://mirror.example/index",
    );
    check_place(
        "Cargo.lock",
        "source = \"git+https://a.example/b\"\n",
        "1: a lock on git+https://a.example/b",
    );
    check_place(
        "web/package-lock.json",
        "\"resolved\": \"https://a.example/b.tgz\",\n",
        "1: a lock on https://a.example/b.tgz",
    );
    check_place(
        "web/package-lock.json",
        "\"resolved\": \"packages/js\",\n",
        "",
    );
}

fn package(folder: &str, needs: &[&str]) -> arrows::Package {
    arrows::Package {
        name: folder.rsplit('/').next().unwrap_or(folder).to_owned(),
        folder: folder.to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
    }
}

#[track_caller]
fn check_arrow(from: &str, to: &str, allowed: bool) {
    let manifest = format!("{from}/Cargo.toml");
    let name = to.rsplit('/').next().unwrap_or(to);
    let text = format!("[lints]\nworkspace = true\n\n[dependencies]\n{name}.workspace = true\n");
    let found = arrows::check(&[package(from, &[to])], &tree(&[(&manifest, &text)]));
    let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(
        lines,
        if allowed { vec![] } else { vec![5] },
        "{from} -> {to}: {found:?}"
    );
}

#[test]
fn only_the_drawn_arrows_exist() {
    for (from, to) in [("core", "service"), ("core", "state"), ("server", "core")] {
        let path = |name: &str| format!("crates/greenroom-{name}");
        check_arrow(&path(from), &path(to), true);
        check_arrow(&path(to), &path(from), false);
    }
    check_arrow("crates/greenroom", "crates/greenroom-server", true);
    check_arrow("crates/greenroom", "crates/greenroom-core", false);
    check_arrow("crates/greenroom-wasm", "crates/greenroom-core", false);
    check_arrow("crates/greenroom-sim", "crates/greenroom-server", false);
    check_arrow("crates/greenroom-state", "crates/greenroom-derive", false);
    check_arrow("crates/greenroom-new", "crates/greenroom-core", false);
    check_arrow("packages/python", "crates/greenroom-core", true);
    check_arrow("benches/load", "crates/greenroom-server", true);
}

#[test]
fn members_inherit_the_lints_and_are_named_as_their_folder() {
    let lintless = "[lints.rust]\n\n[dependencies]\na = { workspace = true }\nworkspace = true\n";
    let mut odd = package("crates/greenroom-core", &[]);
    odd.name = "core".to_owned();
    let found = arrows::check(
        &[odd],
        &tree(&[("crates/greenroom-core/Cargo.toml", lintless)]),
    );
    let expected = "1: package core is not named as its folder\n1: no workspace lints";
    assert_eq!(shown(&found), expected);
}

#[test]
fn closures_are_read_from_cargo_tree() {
    let listing = "greenroom-core v0.1.0 (a)\ntokio v1.0.0\nbytes v1.2.0\nbytes v1.2.0 (*)\n\
                   bytes v2.0.0\nserde_derive v1.0.0 (proc-macro)\ntokio-util v1.0.0\n";
    assert_eq!(
        arrows::io_packages(listing).into_iter().collect::<Vec<_>>(),
        ["tokio"]
    );
    let members = [package("crates/greenroom-core", &[])];
    assert_eq!(arrows::foreign(listing, &members).len(), 5);
}

#[track_caller]
fn check_links(text: &str, expected: &str) {
    let tree = tree(&[("docs/a.md", ""), ("docs/img/b.png", ""), ("README.md", "")]);
    assert_eq!(
        shown(&docs::check_links(&file("docs/c.md", text), &tree.paths)),
        expected,
        "{text}"
    );
}

#[test]
fn links_lead_somewhere() {
    check_links(
        "[a](a.md) [b](./img/b.png \"title\") [c](../README.md#top) [d](img/)\n",
        "",
    );
    check_links(
        "[a](https://a.example) [b](#here) [c](mailto:a@b.example)\n",
        "",
    );
    check_links("\n[a](gone.md#x)\n", "2: the link gone.md leads nowhere");
    check_links(
        "[a](../../out.md)\n",
        "1: the link ../../out.md leads nowhere",
    );
    check_links("[a]: gone.md\n", "1: the link gone.md leads nowhere");
    check_links("`[a](gone.md)`\n```\n[a](gone.md)\n```\n", "");
}

/// Everything a repository must have, and `more`.
fn house(more: &[(&str, &str)]) -> Tree {
    let mut files = vec![
        ("README.md", ""),
        ("ARCHITECTURE.md", ""),
        ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"),
        (".ci/run", ""),
        ("crates/a/src/room/gate.rs", ""),
        ("crates/a/src/lib.rs", ""),
    ];
    for (path, text) in more {
        files.retain(|(known, _)| known != path);
        files.push((path, text));
    }
    tree(&files)
}

#[track_caller]
fn check_house(more: &[(&str, &str)], expected: &str) {
    assert_eq!(shown(&docs::check_tree(&house(more))), expected, "{more:?}");
}

#[test]
fn the_required_documents_are_there() {
    check_house(&[], "");
    assert_eq!(docs::check_tree(&tree(&[])).len(), 4);
    check_house(
        &[("CHANGELOG.md", "# Changelog\n")],
        "1: no Unreleased section",
    );
}

#[test]
fn the_map_names_what_exists() {
    check_house(
        &[(
            "ARCHITECTURE.md",
            "see crates/a/src, `gate.rs` and `room/gate.rs`.",
        )],
        "",
    );
    check_house(
        &[(
            "ARCHITECTURE.md",
            "crates/a/src/{lib,room/gate}.rs, crates/*/src/",
        )],
        "",
    );
    check_house(
        &[("ARCHITECTURE.md", "\ncrates/a/gone/")],
        "2: crates/a/gone does not exist",
    );
    check_house(
        &[("ARCHITECTURE.md", "`ate.rs`")],
        "1: ate.rs does not exist",
    );
}

#[test]
fn the_protocol_page_follows_the_protocol() {
    let protocol = "crates/greenroom-core/src/protocol/a.rs";
    let found = docs::check_tree(&house(&[(protocol, "one"), ("docs/protocol.md", "# P\n")]));
    assert_eq!(shown(&found), "1: the protocol changed since this page");
    let mark = found[0]
        .mend
        .split('`')
        .nth(1)
        .expect("the mend quotes the mark")
        .to_owned();
    let page = format!("# P\n{mark}\n");
    check_house(&[(protocol, "one"), ("docs/protocol.md", &page)], "");
    let changed = "2: the protocol changed since this page";
    check_house(&[(protocol, "two"), ("docs/protocol.md", &page)], changed);
}
