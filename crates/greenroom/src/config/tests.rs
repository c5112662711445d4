mod reached;

use super::document::Document;
use super::environment::Environment;
use super::excerpt::excerpt;
use super::flags::Flags;
use super::json::parse_json;
use super::layers::Origin;
use super::options::{OPTIONS, Options};
use super::problem::nearest;
use super::reference::{EXAMPLE, HOOKS_EXAMPLE};
use super::resolve::{check_document, resolve};
use super::tree::{Content, Node, parse_toml};
use super::value::{BYTE_UNITS, Given, TIME_UNITS, in_words};
use crate::server_plan::Purpose;

fn options_of(purpose: Purpose, flags: &Flags, variables: &[(&str, &str)]) -> Options {
    let resolved = resolve(purpose, flags, &Environment::of(variables));
    resolved.unwrap().options
}

#[test]
fn every_default_can_be_read() {
    for purpose in [Purpose::Dev, Purpose::Serve] {
        let options = options_of(purpose, &Flags::default(), &[]);
        for entry in options.entries(purpose) {
            assert_eq!(entry.origin, Origin::Default, "{}", entry.key);
        }
    }
}

#[test]
fn no_two_options_share_a_name() {
    let mut names: Vec<_> = OPTIONS.iter().flat_map(|spec| spec.variables()).collect();
    names.extend(OPTIONS.iter().map(|spec| spec.key));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn the_address_is_found_in_its_order() {
    let check = |flags: &Flags, variables: &[(&str, &str)], expected: &str| {
        let listen = options_of(Purpose::Dev, flags, variables).listen;
        let told = format!("{} from {}", listen.value.0, listen.origin);
        assert_eq!(told, expected);
    };
    let nothing = Flags::default();
    let lan = nothing.clone().with("lan", &["true"]);
    let flag = lan.clone().with("listen", &["localhost:0"]);
    let port = ("PORT", "9000");
    let variable = ("GREENROOM_LISTEN", "[::1]:80");
    check(&nothing, &[], "127.0.0.1:8080 from default");
    check(&nothing, &[port], "127.0.0.1:9000 from PORT");
    check(&lan, &[], "0.0.0.0:8080 from --lan");
    check(&lan, &[port], "0.0.0.0:9000 from PORT, --lan");
    check(&lan, &[port, variable], "[::1]:80 from GREENROOM_LISTEN");
    check(&flag, &[port, variable], "127.0.0.1:0 from --listen");
}

#[test]
fn a_number_may_have_a_unit() {
    let check = |text: &str, units, expected: Result<u64, &str>| {
        let texts = [text.to_owned()];
        let read = Given::Texts(&texts).whole(1, 100_000_000, units);
        assert_eq!(
            read.map_err(|wrong| wrong.what),
            expected.map_err(str::to_owned)
        );
    };
    check("12", BYTE_UNITS, Ok(12));
    check("1_000", BYTE_UNITS, Ok(1_000));
    check("2 KiB", BYTE_UNITS, Ok(2_048));
    check("3B", BYTE_UNITS, Ok(3));
    check("4s", TIME_UNITS, Ok(4_000));
    check("5m", TIME_UNITS, Ok(300_000));
    check("6ms", TIME_UNITS, Ok(6));
    check("7", &[], Ok(7));
    check("0", BYTE_UNITS, Err("0 is not between 1 B and 100000000 B"));
    check(
        "99999999999999999999h",
        TIME_UNITS,
        Err("99999999999999999999h is not between 1 ms and 100000 s"),
    );
    check("-1", &[], Err("`-1` is not a whole number"));
    check("", &[], Err("`` is not a whole number"));
    check(
        "1MB",
        BYTE_UNITS,
        Err("`1MB` is not a whole number, alone or with one of GiB, MiB, KiB, B"),
    );
}

#[test]
fn numbers_are_told_in_their_largest_unit() {
    assert_eq!(in_words(16 << 20, BYTE_UNITS), "16 MiB");
    assert_eq!(in_words(100, TIME_UNITS), "100 ms");
    assert_eq!(in_words(60_000, TIME_UNITS), "1 m");
    assert_eq!(in_words(0, TIME_UNITS), "0 ms");
    assert_eq!(in_words(7, &[]), "7");
}

#[test]
fn toml_and_json_give_one_tree() {
    let toml = "a = \"x\"\nb = [1, true]\n[c]\nd = -2\n[[e]]\nf = 1.5\n";
    let json = r#"{"a": "x", "b": [1, true], "c": {"d": -2}, "e": [{"f": 1.5}]}"#;
    let toml = bare(&parse_toml(toml).unwrap());
    assert_eq!(toml, bare(&parse_json(json).unwrap()));
    assert_eq!(
        toml,
        "{a: Text(\"x\"), b: [Whole(1), Bool(true)], c: {d: Whole(-2)}, e: [{f: Other(\"a fraction\")}]}"
    );
}

/// Without the places.
fn bare(node: &Node) -> String {
    match &node.content {
        Content::List(nodes) => {
            let nodes: Vec<_> = nodes.iter().map(bare).collect();
            format!("[{}]", nodes.join(", "))
        }
        Content::Table(members) => {
            let member =
                |member: &super::tree::Member| format!("{}: {}", member.key, bare(&member.node));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
        scalar => format!("{scalar:?}"),
    }
}

#[test]
fn json_tells_where_it_is_wrong() {
    let check = |text: &str, expected: &str| {
        let wrong = parse_json(text).unwrap_err();
        let at = wrong.span.unwrap().start;
        assert_eq!(format!("{} at {at}", wrong.what), expected);
    };
    check("{", "EOF while parsing an object at 0");
    check("{\"a\": 1, \"a\": 2}", "duplicate key at 9");
    check("{\"a\": [1, x]}", "expected value at 10");
    check(&"[".repeat(200), "EOF while parsing a list at 199");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    check(&deep, "nested too deep at 17");
}

#[test]
fn the_nearest_name_is_near() {
    let known = ["listen", "limits", "outbox_bytes_max", "ping_interval_ms"];
    assert_eq!(nearest("lisen", &known), Some("listen"));
    assert_eq!(nearest("limit", &known), Some("limits"));
    assert_eq!(nearest("outbox_max", &known), Some("outbox_bytes_max"));
    assert_eq!(nearest("outbox", &known), Some("outbox_bytes_max"));
    assert_eq!(nearest("color", &known), None);
    assert_eq!(nearest("x", &known), None);
}

#[test]
fn a_place_is_shown_whatever_the_line_holds() {
    let text = "first\n\tkey = \"wé\u{7}rt\" # behind\n";
    let start = text.find('"').unwrap();
    let end = text.rfind('"').unwrap() + 1;
    assert_eq!(
        excerpt("a.toml", text, &(start..end), Some("no")),
        [
            "  ╭─[a.toml:2:8]",
            "2 │  key = \"wé\u{fffd}rt\" # behind",
            "  │        ──┬────  no",
        ]
        .join("\n")
    );
    let end = text.len();
    assert!(excerpt("a.toml", text, &(end..end), None).contains("a.toml:3:1"));
}

#[test]
fn the_example_of_the_reference_is_good() {
    let document = Document::parse("greenroom.toml", EXAMPLE.to_owned()).unwrap();
    let options = check_document(&document).unwrap();
    assert_eq!(options.rooms.value.0.len(), 3);
    let document = Document::parse("greenroom.toml", HOOKS_EXAMPLE.to_owned()).unwrap();
    let options = check_document(&document).unwrap();
    assert_eq!(options.hooks.value.0.len(), 1);
}

#[test]
fn a_reload_leaves_alone_what_needs_a_restart() {
    let old = options_of(Purpose::Serve, &Flags::default(), &[]);
    let variables = [("GREENROOM_LISTEN", "0.0.0.0:1"), ("GREENROOM_ORIGIN", "*")];
    let mut new = options_of(Purpose::Serve, &Flags::default(), &variables);
    new.keep_fixed(&old);
    assert_eq!(new.listen.value, old.listen.value);
    assert_ne!(new.origins.value, old.origins.value);
}
