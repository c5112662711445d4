//! The description and the routes say the same.

use super::description;

#[test]
fn every_operation_has_a_name_of_its_own() {
    let description = serde_json::to_value(description()).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths
        .values()
        .flat_map(|item| item.as_object().expect("methods").values());
    let mut names: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(Option::is_some));
}
