//! Gives schemas of generic types plain names: what wraps an answer is written out where it is used,
//! and a page is named after its items. Pure.

use serde_json::{Map, Value, json};

const PREFIX: &str = "#/components/schemas/";

/// How the names of pages begin.
const PAGE: &str = "ListPage_";

/// Renames and writes out.
pub fn tidy(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let (mut wrappers, kept): (Map<_, _>, Map<_, _>) =
        std::mem::take(schemas).into_iter().partition(|(name, _)| name.starts_with("AtPosition"));
    *schemas = kept;
    // Generic types are written out within others: a page within a wrapper, and items within a page.
    for (name, wrapper) in &wrappers {
        if let Some((_, answer)) = name.split_once('_') {
            schemas.entry(answer).or_insert_with(|| wrapper["allOf"][0].clone());
        }
    }
    for (name, page) in schemas.iter_mut() {
        if let Some(item) = name.strip_prefix(PAGE) {
            page["properties"]["items"]["items"] = json!({"$ref": format!("{PREFIX}{item}")});
        }
    }
    // What all wrappers of a kind add to their answers.
    for kind in ["AtPosition", "AtPositions"] {
        let one = wrappers.iter_mut().find(|(name, _)| name.starts_with(&format!("{kind}_")));
        if let Some((_, wrapper)) = one {
            let mut added = wrapper["allOf"][1].take();
            added["description"] = wrapper["description"].take();
            schemas.insert(kind.to_owned(), added);
        }
    }
    visit(document, &mut |value| {
        let wrapped =
            reference(value).filter(|name| wrappers.contains_key(*name)).and_then(|name| name.split_once('_'));
        if let Some((kind, answer)) = wrapped {
            let refers = |name: &str| json!({"$ref": format!("{PREFIX}{name}")});
            *value = json!({"allOf": [refers(answer), refers(kind)]});
        }
    });
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        let named = std::mem::take(schemas).into_iter().map(|(name, schema)| (plain(&name), schema));
        *schemas = named.collect();
    }
    visit(document, &mut |value| {
        if let Some(name) = reference(value).map(plain) {
            *value = json!({"$ref": format!("{PREFIX}{name}")});
        }
    });
}

/// Returns the plain name of a schema.
fn plain(name: &str) -> String {
    name.strip_prefix(PAGE).map_or_else(|| name.to_owned(), |item| format!("{item}Page"))
}

/// Returns the name of the schema that a value refers to, if it says nothing else.
fn reference(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get("$ref")?.as_str()?.strip_prefix(PREFIX)
}

/// Visits all values; what a visit puts in its place is visited, too.
fn visit(value: &mut Value, look: &mut impl FnMut(&mut Value)) {
    look(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, look)),
        Value::Object(members) => members.values_mut().for_each(|member| visit(member, look)),
        _ => {}
    }
}
