//! Shows resolved options: as a file that says the same, or with where each came from.

use serde_json::{Map, Value as Json, json};

use super::options::Entry;

/// A file that says the same, secrets left out; `origins` puts behind each where it came from.
pub(crate) fn as_toml(entries: &[Entry], origins: bool) -> String {
    let mut text = String::new();
    let mut lists = Vec::new();
    let mut table = "";
    let top = entries.iter().filter(|entry| !entry.key.contains('.'));
    let nested = entries.iter().filter(|entry| entry.key.contains('.'));
    for entry in top.chain(nested) {
        let behind = match origins {
            true => format!("  # {}", entry.origin),
            false => String::new(),
        };
        let (wanted, name) = entry.key.rsplit_once('.').unwrap_or(("", &entry.key));
        if wanted != table {
            table = wanted;
            text.push_str(&format!("\n[{table}]\n"));
        }
        match &entry.value {
            Some(Json::Array(elements)) if elements.iter().all(Json::is_object) => {
                lists.push((name, elements, behind));
            }
            Some(value) => text.push_str(&format!("{name} = {}{behind}\n", toml_value(value))),
            None if entry.hidden => text.push_str(&format!("# {name} is set{behind}\n")),
            None => {}
        }
    }
    for (name, elements, behind) in lists {
        for (n, element) in elements.iter().enumerate() {
            let behind = if n == 0 { behind.as_str() } else { "" };
            text.push_str(&format!("\n[[{name}]]{behind}\n"));
            let mut members: Vec<_> = element.as_object().into_iter().flatten().collect();
            members.sort_by_key(|(key, _)| *key != "pattern");
            for (key, value) in members {
                text.push_str(&format!("{key} = {}\n", toml_value(value)));
            }
        }
    }
    text.trim_end().to_owned()
}

/// As [`as_toml`], in JSON.
pub(crate) fn as_json(entries: &[Entry]) -> Json {
    let mut root = Map::new();
    for Entry { key, value, .. } in entries {
        let Some(value) = value else { continue };
        match key.split_once('.') {
            None => {
                root.insert(key.clone(), value.clone());
            }
            Some((table, name)) => {
                let table = root.entry(table).or_insert_with(|| json!({}));
                table[name] = value.clone();
            }
        }
    }
    Json::Object(root)
}

/// A list of keys with value, origin, and whether a reload takes a change.
pub(crate) fn as_origins_json(entries: &[Entry]) -> Json {
    let entry = |entry: &Entry| {
        json!({
            "key": entry.key,
            "value": entry.value,
            "hidden": entry.hidden,
            "origin": entry.origin.to_string(),
            "reload": entry.reload.name(),
        })
    };
    entries.iter().map(entry).collect()
}

/// Tables are written inline.
fn toml_value(value: &Json) -> String {
    match value {
        Json::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(toml_value).collect();
            format!("[{}]", elements.join(", "))
        }
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| format!("{key} = {}", toml_value(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{ {} }}", members.join(", "))
        }
        // A basic string of TOML is one of JSON, but for this character.
        Json::String(_) => value.to_string().replace('\u{7f}', "\\u007f"),
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}
