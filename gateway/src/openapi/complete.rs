//! Adds to each operation what all of them share: problems, headers, the wanted position, and the
//! ways to show a key. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::public;
use crate::rates::costs::cost_of;

use super::problems::{self, Access, ListedProblem};

/// Operations with a method that writes, which put nothing on the log.
const READING_POSTS: [&str; 1] = ["preview_order"];

/// Operations whose bodies have no required field, and need one of some.
const NEEDS_BODY: [&str; 4] = ["amend_order", "amend_order_by_client_id", "edit_market", "add_to_market"];

/// Operations whose answers have no position, beside those about documents.
const WITHOUT_POSITION: [&str; 1] = ["get_costs"];

/// Completes all operations.
pub fn complete(document: &mut Value) {
    let mut all = BTreeMap::new();
    let schemas = document["components"]["schemas"].clone();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths.iter_mut() {
        let Some(item) = item.as_object_mut() else { continue };
        for (method, operation) in item.iter_mut().filter(|(_, operation)| operation.is_object()) {
            // As `GET /v1/account/costs` says it.
            if let Ok(method) = method.to_uppercase().parse() {
                let cost = cost_of(&method, path);
                operation["x-rate-limit"] = json!({"policies": cost.policies(), "cost": cost.units()});
            }
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            let is_write = method != "get" && !READING_POSTS.contains(&id.as_str());
            let access = secure(operation);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let schema = body.as_str().and_then(|body| body.rsplit('/').next()).map(|name| &schemas[name]);
            // An absent body is an empty object.
            if schema.is_some_and(|schema| schema["required"].is_null()) && !NEEDS_BODY.contains(&id.as_str()) {
                operation["requestBody"]["required"] = json!(false);
            }
            let is_static = operation["tags"] == json!(["documents"]);
            if !is_static {
                ask_for_position(operation);
            }
            let has_position = !is_static && !WITHOUT_POSITION.contains(&id.as_str());
            let problems = problems::of(&id, access, is_write);
            respond(operation, &problems, is_write, has_position);
            if method == "get" && public::ROUTES.contains(&path.as_str()) {
                tell_of_tags(operation);
            }
            all.extend(problems.iter().map(|problem| (problem.code, problem.shown())));
        }
    }
    // Once, and not in each answer.
    document["x-problems"] = json!(all);
}

/// Replaces the marks `account`, `admin` and `unsigned` by the ways to show such a key. An empty mark
/// means that none is needed.
fn secure(operation: &mut Value) -> Access {
    let marks = operation["security"].as_array().cloned().unwrap_or_default();
    let scopes = |mark: &str| marks.iter().find_map(|entry| entry.get(mark).cloned());
    let is_optional = marks.iter().any(|mark| mark.as_object().is_some_and(Map::is_empty));
    let mut ways = if is_optional { vec![json!({})] } else { Vec::new() };
    let (account, admin) = (scopes("account"), scopes("admin"));
    let access = match (&account, &admin) {
        _ if is_optional => Access::Public,
        (Some(_), _) => Access::Account,
        (None, Some(_)) => Access::Admin,
        (None, None) => Access::Public,
    };
    if let Some(scopes) = account {
        ways.push(json!({"accountKey": scopes}));
        ways.push(json!({"signatureKey": scopes, "signatureTime": [], "signature": []}));
    }
    ways.extend(scopes("unsigned").map(|scopes| json!({"accountKey": scopes})));
    ways.extend(admin.map(|roles| json!({"adminKey": roles})));
    operation["security"] = json!(ways);
    access
}

/// The same answer for everybody can be asked for again with its tag.
fn tell_of_tags(operation: &mut Value) {
    let tag = json!({"$ref": "#/components/headers/ETag"});
    let responses = &mut operation["responses"];
    if let Some(headers) = responses["200"]["headers"].as_object_mut() {
        headers.insert("ETag".to_owned(), tag.clone());
    }
    responses["304"] = json!({
        "description": "The content is the one with the tag in `If-None-Match`",
        "headers": {"ETag": tag, "X-Request-Id": request_id()},
    });
    let known = json!({"$ref": "#/components/parameters/IfNoneMatch"});
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(known),
        None => operation["parameters"] = json!([known]),
    }
}

fn request_id() -> Value {
    json!({"$ref": "#/components/headers/XRequestId"})
}

fn ask_for_position(operation: &mut Value) {
    let position = json!({"$ref": "#/components/parameters/MinPosition"});
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(position),
        None => operation["parameters"] = json!([position]),
    }
}

fn respond(operation: &mut Value, listed: &[ListedProblem], is_write: bool, has_position: bool) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        let mut headers = if status.starts_with('2') { rate_headers() } else { BTreeMap::new() };
        headers.insert("X-Request-Id".to_owned(), request_id());
        if status.starts_with('2') && has_position {
            headers.insert("Lfg-Position".to_owned(), json!({"$ref": "#/components/headers/LfgPosition"}));
        }
        response["headers"] = json!(headers);
    }
    if is_write && !responses.contains_key("202") {
        responses.insert("202".to_owned(), json!({"$ref": "#/components/responses/Accepted"}));
    }
    let mut by_status: BTreeMap<u16, Vec<&ListedProblem>> = BTreeMap::new();
    for problem in listed {
        by_status.entry(problem.status).or_default().push(problem);
    }
    for (status, problems) in by_status {
        responses.insert(status.to_string(), refusal(status, &problems));
    }
    let sorted: BTreeMap<String, Value> = std::mem::take(responses).into_iter().collect();
    *responses = sorted.into_iter().collect();
}

/// Headers of every answer about rates.
fn rate_headers() -> BTreeMap<String, Value> {
    let headers = [("RateLimit-Policy", "RateLimitPolicy"), ("RateLimit", "RateLimit")];
    let reference = |component| json!({"$ref": format!("#/components/headers/{component}")});
    headers.into_iter().map(|(name, component)| (name.to_owned(), reference(component))).collect()
}

fn refusal(status: u16, listed: &[&ListedProblem]) -> Value {
    let named: Vec<String> = listed.iter().map(|problem| format!("`{}`", problem.code)).collect();
    let codes: Vec<&str> = listed.iter().map(|problem| problem.code).collect();
    let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let mut response = Map::from_iter([
        ("description".to_owned(), json!(format!("{}: {}", problems::phrase(status), named.join(", ")))),
        ("content".to_owned(), content),
        ("x-problem-codes".to_owned(), json!(codes)),
    ]);
    let header = match status {
        401 => Some(("WWW-Authenticate", "WwwAuthenticate")),
        429 | 503 => Some(("Retry-After", "RetryAfter")),
        _ => None,
    };
    let mut headers = BTreeMap::from([("X-Request-Id".to_owned(), request_id())]);
    if let Some((name, component)) = header {
        // Every answer has those of rates; here they are named where they matter.
        if status == 429 {
            headers.extend(rate_headers());
        }
        headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{component}")}));
    }
    response.insert("headers".to_owned(), json!(headers));
    Value::Object(response)
}
