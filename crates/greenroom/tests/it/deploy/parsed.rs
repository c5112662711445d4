//! The files of `deploy/` as those read them that they are for: YAML, TOML, JSON and units, each
//! held against what the program has.

use std::path::Path;
use std::process::Command;

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Map, Value};

use super::{root, text, words};
use crate::command::Shell;

/// Every file below `deploy/` whose name ends so, relative to the root.
fn files(ending: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let name = path.strip_prefix(root()).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("deploy"), &mut found);
    found.retain(|name| name.ends_with(ending));
    found
}

fn yaml(path: &str) -> Value {
    let text = text(path);
    let mut documents =
        Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(documents.len(), 1, "{path}");
    value_of(&documents.remove(0))
}

fn value_of(node: &Yaml<'_>) -> Value {
    if let Some(members) = node.as_mapping() {
        let mut object = Map::new();
        for (key, member) in members {
            let key = key.as_str().expect("a key is a text").to_owned();
            assert!(!object.contains_key(&key), "{key} is there twice");
            object.insert(key, value_of(member));
        }
        return Value::Object(object);
    }
    if let Some(items) = node.as_sequence() {
        return items.iter().map(value_of).collect();
    }
    if let Some(text) = node.as_str() {
        return text.into();
    }
    if let Some(yes) = node.as_bool() {
        return yes.into();
    }
    node.as_integer().map_or_else(
        || panic!("{node:?} is of no kind that is used here"),
        Value::from,
    )
}

fn toml(path: &str) -> Value {
    toml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of the Dockerfile that begin with a word, without it.
fn image(instruction: &str) -> String {
    let joined = text("deploy/Dockerfile").replace("\\\n", " ");
    let lines = joined.lines();
    let lines: Vec<_> = lines
        .filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '))
        .collect();
    lines.join("\n")
}

/// Starts `serve` with the variables of a file as far as the configuration goes, and gives what
/// `config show` says of a key.
fn resolved(variables: &Map<String, Value>, key: &str) -> Value {
    let mut shell = Shell::new();
    for (name, value) in variables {
        shell = shell.set(name, value.as_str().expect("a variable is a text"));
    }
    let ran = shell.run(&["config", "show", "--json"]);
    assert_eq!(ran.code, Some(0), "{variables:?}: {}", ran.stderr);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    let pointer = format!("/{}", key.replace('.', "/"));
    let found = shown.pointer(&pointer).or_else(|| shown.get(key));
    found.unwrap_or_else(|| panic!("{key} in {shown}")).clone()
}

#[test]
fn each_file_is_what_its_name_says() {
    let (yamls, tomls, jsons) = (files(".yml"), files(".toml"), files(".json"));
    assert!(yamls.len() >= 2 && !tomls.is_empty() && !jsons.is_empty());
    for path in yamls {
        assert!(yaml(&path).is_object(), "{path}");
    }
    for path in tomls {
        assert!(toml(&path).is_object(), "{path}");
    }
    for path in jsons {
        let parsed = serde_json::from_str::<Value>(&text(&path));
        assert!(parsed.is_ok_and(|value| value.is_object()), "{path}");
    }
}

#[test]
fn compose_starts_the_image_with_what_it_takes() {
    let compose = yaml("deploy/compose.yml");
    let service = &compose["services"]["greenroom"];
    let built = Path::new("deploy").join(service["build"]["context"].as_str().unwrap());
    let dockerfile = built.join(service["build"]["dockerfile"].as_str().unwrap());
    assert!(root().join(dockerfile).is_file());
    // The port inside is the one that the image listens on, the volume where its data is.
    let port = service["ports"][0].as_str().unwrap();
    let inside = port.rsplit(':').next().unwrap();
    assert!(image("ENV").contains(&format!("GREENROOM_LISTEN=0.0.0.0:{inside} ")));
    let volume = service["volumes"][0].as_str().unwrap();
    let (name, place) = volume.split_once(':').unwrap();
    assert!(compose["volumes"].get(name).is_some(), "{name}");
    assert!(image("ENV").contains(&format!("GREENROOM_DATA={place} ")));
    // Each secret is declared, and lies where the variable says.
    for secret in service["secrets"].as_array().unwrap() {
        let secret = secret.as_str().unwrap();
        assert!(compose["secrets"].get(secret).is_some(), "{secret}");
        let place = &service["environment"]["GREENROOM_SECRET_KEY_FILE"];
        assert_eq!(place, &format!("/run/secrets/{secret}"));
    }
    // What is read-only must not need more than its volume to write to.
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"][0], "ALL");
}

#[test]
fn fly_asks_the_port_that_is_listened_on_for_a_page_that_is_there() {
    let fly = toml("deploy/fly.toml");
    let variables = fly["env"].as_object().unwrap();
    assert_eq!(resolved(variables, "listen"), "0.0.0.0:8080");
    let port = &fly["http_service"]["internal_port"];
    assert_eq!(port, 8080);
    assert_eq!(fly["mounts"]["destination"], variables["GREENROOM_DATA"]);
    assert_eq!(resolved(variables, "data"), variables["GREENROOM_DATA"]);
    let dockerfile = fly["build"]["dockerfile"].as_str().unwrap();
    assert!(root().join("deploy").join(dockerfile).is_file());
    for check in fly["http_service"]["checks"].as_array().unwrap() {
        assert_eq!(check["path"], "/readyz");
    }
    let limits = &fly["http_service"]["concurrency"];
    assert!(limits["soft_limit"].as_u64() < limits["hard_limit"].as_u64());
}

#[test]
fn alert_rules_are_rules() {
    let alerts = yaml("deploy/prometheus/alerts.yml");
    for group in alerts["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let known = ["alert", "expr", "for", "labels", "annotations"];
            for key in rule.as_object().unwrap().keys() {
                assert!(known.contains(&key.as_str()), "{key}");
            }
            assert!(rule["expr"].is_string(), "{rule}");
            let severity = rule["labels"]["severity"].as_str();
            assert!(["warning", "critical"].contains(&severity.unwrap()));
        }
    }
}

#[test]
fn systemd_knows_every_line_of_the_units() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("NOT PROVEN: the units need systemd-analyze");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in ["greenroom.service", "greenroom.socket"] {
        // It also looks whether the program is there.
        let unit = text(&format!("deploy/systemd/{name}"));
        let unit = unit.replace("/usr/local/bin/greenroom", env!("CARGO_BIN_EXE_greenroom"));
        paths.push(folder.path().join(name));
        std::fs::write(paths.last().unwrap(), unit).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]).args(&paths);
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    // Units of this machine that are not in order are not ours.
    let ours: Vec<_> = said.lines().filter(|l| l.contains("greenroom.")).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(ran.status.success() || !said.is_empty(), "{said}");
}

#[test]
fn nginx_and_caddy_replace_what_the_server_believes() {
    // The headers that the server reads of a trusted proxy, as its documentation names them.
    let guide = text("docs/guides/deploy.md");
    let nginx = text("deploy/nginx/greenroom.conf");
    for header in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"] {
        assert!(
            nginx.contains(&format!("proxy_set_header {header} ")),
            "{header}"
        );
    }
    assert!(nginx.contains("proxy_set_header Forwarded \"\";"));
    assert!(text("deploy/caddy/Caddyfile").contains("header_up -Forwarded"));
    assert!(guide.contains("`X-Forwarded-For`"));
    let options = Shell::new().run(&["help", "serve"]).stdout;
    assert!(words(&options, "--").contains("--trusted-proxies"));
}
