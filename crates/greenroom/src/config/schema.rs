//! The JSON Schema of the configuration file, for editors.

use greenroom_server::Limits;
use serde_json::{Map, Value as Json, json};

use super::limits::{LIMITS, schema_of};
use super::options::{OPTIONS, OptionSpec};

/// The schema.
pub(crate) fn schema() -> Json {
    let mut root = Map::new();
    let text = json!({ "type": "string", "description": "Where this schema is, for editors" });
    root.insert("$schema".into(), text);
    for spec in OPTIONS {
        insert(&mut root, spec.key, property(spec));
        if spec.secret {
            let described = json!({
                "type": "string",
                "description": format!("A file that holds `{}`", spec.key),
            });
            insert(&mut root, &format!("{}_file", spec.key), described);
        }
    }
    for field in Limits::FIELDS {
        let doc: Vec<_> = field.doc.iter().map(|line| line.trim()).collect();
        let mut property = schema_of(field);
        property["description"] = doc.join(" ").into();
        property["default"] = field.get(&Limits::default()).into();
        insert(&mut root, &format!("{LIMITS}.{}", field.name), property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Greenroom configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    })
}

fn property(spec: &OptionSpec) -> Json {
    let mut property = (spec.schema)();
    property["description"] = spec.doc_text().into();
    property
}

/// Puts a property where its key says, with the tables around it.
fn insert(properties: &mut Map<String, Json>, key: &str, property: Json) {
    let Some((table, rest)) = key.split_once('.') else {
        properties.insert(key.to_owned(), property);
        return;
    };
    let table = properties.entry(table).or_insert_with(
        || json!({ "type": "object", "additionalProperties": false, "properties": {} }),
    );
    if let Some(inner) = table["properties"].as_object_mut() {
        insert(inner, rest, property);
    }
}

/// The names that a schema allows, when it allows nothing else.
pub(super) fn names_of(schema: &Json) -> Option<Vec<&str>> {
    schema["enum"]
        .as_array()?
        .iter()
        .map(Json::as_str)
        .collect()
}
