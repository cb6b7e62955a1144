//! The OpenAPI document says the same of a body as the routes of these tests, and as the gateway.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Route;

/// The bodies of the document's operations, by method and path.
pub struct DescribedBodies {
    document: Value,
}

impl DescribedBodies {
    pub fn read() -> Self {
        Self { document: serde_json::from_str(include_str!("../../openapi.json")).unwrap() }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let paths = self.document["paths"].as_object().unwrap();
        let exact = paths.get(path).map(|item| &item[method]).filter(|operation| !operation.is_null());
        exact.or_else(|| {
            let mut fitting = paths.iter().filter(|(pattern, _)| fits(pattern, path)).map(|(_, item)| &item[method]);
            fitting.find(|operation| !operation.is_null())
        })
    }

    /// Returns the name of a body's schema.
    pub fn schema(&self, method: &str, path: &str) -> &str {
        let operation = self.operation(method, path).unwrap_or_else(|| panic!("{method} {path} is not described"));
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().unwrap_or_else(|| panic!("{method} {path} has no body: {schema}"));
        name.rsplit('/').next().unwrap()
    }

    /// Returns the fields of a schema and those that are required.
    pub fn fields(&self, schema: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let schema = &self.document["components"]["schemas"][schema];
        let fields = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let required = schema["required"].as_array().into_iter().flatten();
        (fields, required.map(|field| field.as_str().unwrap().to_owned()).collect())
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(pattern, part): (&&str, &&str)| pattern.starts_with('{') || pattern == part;
    pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}

/// Checks that the routes here name the very fields that the document has.
pub fn check(described: &DescribedBodies, routes: &[Route]) {
    let mut named: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Route { method, path, good, bad, .. } in routes {
        let schema = described.schema(&method.as_str().to_lowercase(), path.split('?').next().unwrap());
        let fields = named.entry(schema).or_default();
        fields.extend(good.as_object().unwrap().keys().cloned());
        let known = bad.iter().filter(|(.., code)| *code != "unknown");
        fields.extend(known.map(|(field, ..)| (*field).to_owned()));
    }
    let differ = named.into_iter().filter_map(|(schema, fields)| {
        let (described, _) = described.fields(schema);
        let only_one: Vec<&String> = fields.symmetric_difference(&described).collect();
        (!only_one.is_empty()).then(|| format!("{schema}: {only_one:?}"))
    });
    let differ: Vec<String> = differ.collect();
    assert!(differ.is_empty(), "fields of these tests or of openapi.json alone: {differ:#?}");
}
