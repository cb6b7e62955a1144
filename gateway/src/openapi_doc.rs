//! `gateway/openapi.json` is what the code says, and the document is sound in itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::http;
use crate::openapi::document::document as made;
use crate::openapi::problems;
use serde_json::Value;

/// The committed document.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// The document of all routes.
fn document() -> Value {
    let (_, described) = http::routes().split_for_parts();
    made(described)
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let now = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(COMMITTED, &now).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(COMMITTED)).unwrap_or_default();
    assert!(committed == now, "gateway/openapi.json is not what the code says: run this test with UPDATE_EXPECT=1");
}

#[test]
fn every_operation_is_named_once_and_says_what_it_is() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name), "{method} {path}");
        for said in ["summary", "tags", "responses", "security"] {
            assert!(!operation[said].is_null(), "{method} {path} has no {said}");
        }
        for segment in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == segment && p["in"] == "path"), "{method} {path}");
        }
    }
    let listed: BTreeSet<String> = problems::operations().map(str::to_owned).collect();
    assert_eq!(listed.difference(&names).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used_and_described() {
    let document = document();
    let text = document.to_string();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for part in text.split("\"$ref\":\"#/components/").skip(1) {
        *used.entry(part.split('"').next().unwrap()).or_default() += 1;
    }
    for path in used.keys() {
        let found = path.split('/').fold(&document["components"], |value, name| &value[name]);
        assert!(!found.is_null(), "{path}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(used.contains_key(format!("schemas/{name}").as_str()), "{name} is not used");
        assert!(!schema["description"].is_null(), "{name} is not described");
    }
}
