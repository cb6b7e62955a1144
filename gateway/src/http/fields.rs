//! Bodies and query strings, read field by field: every fault is found at once and none is let through.
//!
//! Strict on purpose: a field that is not known, given twice or of another type is an error with its place, because a
//! misspelt `worst_price` that is silently ignored costs money.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::http::parse::Fault;
use crate::http::problem::{FieldError, Place, Problem, kinds};

/// A JSON object whose names are read one by one.
#[derive(Debug)]
pub struct Fields {
    left: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads a body. An empty one is an empty object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self { left: BTreeMap::new(), errors: Vec::new() });
        }
        match serde_json::from_slice::<Root>(body) {
            Ok(Root::Object { left, errors }) => Ok(Self { left, errors }),
            Ok(Root::Other) => Err(Problem::invalid(vec![FieldError {
                place: Place::Pointer(String::new()),
                code: "type",
                detail: "the body must be a JSON object".to_owned(),
            }])),
            Err(error) => Err(Problem::new(kinds::MALFORMED_JSON).detail(error.to_string())),
        }
    }

    /// True if the field is there and not null.
    pub fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !value.is_null())
    }

    /// A string that must be there.
    pub fn text<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let value = self.required(name)?;
        let parsed = value.as_str().ok_or_else(|| Fault::kind("a string")).and_then(parse);
        self.keep(name, parsed)
    }

    /// A string that may be there; null is the same as absent.
    pub fn text_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.has(name) {
            return self.text(name, parse);
        }
        self.left.remove(name);
        Some(absent)
    }

    /// A whole number that must be there.
    pub fn integer<T>(&mut self, name: &'static str, parse: impl FnOnce(u64) -> Result<T, Fault>) -> Option<T> {
        let value = self.required(name)?;
        let parsed = match &value {
            Value::Number(number) if number.is_i64() && !number.is_u64() => Err(Fault::range("positive")),
            Value::Number(number) => number.as_u64().ok_or_else(|| Fault::kind("a whole number")).and_then(parse),
            _ => Err(Fault::kind("a whole number")),
        };
        self.keep(name, parsed)
    }

    /// A list of strings that may be there.
    pub fn texts_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: impl FnOnce(&[&str]) -> Result<T, Fault>,
    ) -> Option<T> {
        if !self.has(name) {
            self.left.remove(name);
            return Some(absent);
        }
        let value = self.required(name)?;
        let texts: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let parsed = texts.ok_or_else(|| Fault::kind("a list of strings")).and_then(|texts| parse(&texts));
        self.keep(name, parsed)
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, name: &str, fault: Fault) {
        self.errors.push(FieldError { place: pointer(name), code: fault.code, detail: fault.detail });
    }

    /// Refuses a field that makes no sense beside the others.
    pub fn refuse(&mut self, name: &str, why: &str) {
        if self.left.remove(name).is_some_and(|value| !value.is_null()) {
            self.fault(name, Fault::conflict(why));
        }
    }

    /// Passes over fields that cannot be judged, since what they depend on is missing or wrong.
    pub fn skip<T>(&mut self, names: &[&str]) -> Option<T> {
        self.left.retain(|name, _| !names.contains(&name.as_str()));
        None
    }

    /// The whole: `None` from `build` stands for a fault that was noted. What was never asked for is unknown.
    pub fn finish<T>(mut self, built: Option<T>) -> Result<T, Problem> {
        for name in self.left.into_keys() {
            let detail = "there is no such field".to_owned();
            self.errors.push(FieldError { place: pointer(&name), code: "unknown", detail });
        }
        match built {
            Some(built) if self.errors.is_empty() => Ok(built),
            _ => Err(Problem::invalid(self.errors)),
        }
    }

    fn required(&mut self, name: &'static str) -> Option<Value> {
        let value = self.left.remove(name);
        if value.is_none() {
            self.fault(name, Fault { code: "missing", detail: "must be given".to_owned() });
        }
        value
    }

    fn keep<T>(&mut self, name: &str, parsed: Result<T, Fault>) -> Option<T> {
        parsed.map_err(|fault| self.fault(name, fault)).ok()
    }
}

/// A JSON pointer (RFC 6901) to a field of the body.
fn pointer(name: &str) -> Place {
    // An unknown name comes from the client: shown, but not at any length.
    const SHOWN: usize = 64;
    let shown: String = name.chars().take(SHOWN).collect();
    Place::Pointer(format!("/{}", shown.replace('~', "~0").replace('/', "~1")))
}

/// A body's root: an object with each name once, or anything else.
enum Root {
    Object { left: BTreeMap<String, Value>, errors: Vec<FieldError> },
    Other,
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RootVisitor)
    }
}

struct RootVisitor;

impl<'de> Visitor<'de> for RootVisitor {
    type Value = Root;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Root, A::Error> {
        let (mut left, mut errors) = (BTreeMap::new(), Vec::new());
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if left.contains_key(&name) {
                let detail = "given more than once".to_owned();
                errors.push(FieldError { place: pointer(&name), code: "repeated", detail });
            }
            left.insert(name, value);
        }
        Ok(Root::Object { left, errors })
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Root, A::Error> {
        while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Root::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Root, E> {
        Ok(Root::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Root, E> {
        Ok(Root::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Root, E> {
        Ok(Root::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Root, E> {
        Ok(Root::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Root, E> {
        Ok(Root::Other)
    }

    fn visit_unit<E>(self) -> Result<Root, E> {
        Ok(Root::Other)
    }
}

/// A query string's parameters, read one by one.
#[derive(Debug)]
pub struct Params {
    left: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Params {
    /// From decoded pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        let mut params = Self { left: BTreeMap::new(), errors: Vec::new() };
        for (name, value) in pairs {
            if params.left.contains_key(&name) {
                params.fault(&name, Fault { code: "repeated", detail: "given more than once".to_owned() });
            }
            params.left.insert(name, value);
        }
        params
    }

    /// A parameter that may be there.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let text = self.left.remove(name)?;
        parse(&text).map_err(|fault| self.fault(name, fault)).ok()
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, name: &str, fault: Fault) {
        let place = Place::Parameter(name.chars().take(64).collect());
        self.errors.push(FieldError { place, code: fault.code, detail: fault.detail });
    }

    /// What was never asked for is unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.fault(&name, Fault { code: "unknown", detail: "there is no such parameter".to_owned() });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::parse;

    fn faults(problem: &Problem) -> Vec<(Place, &'static str)> {
        problem.errors().iter().map(|error| (error.place.clone(), error.code)).collect()
    }

    fn at(name: &str) -> Place {
        Place::Pointer(name.to_owned())
    }

    #[test]
    fn all_faults_are_told_at_once_each_with_its_place() {
        let body = br#"{"price": 0.5, "quantity": "ten", "a/b": 1, "quantity": -1}"#;
        let mut fields = Fields::parse(body).unwrap();
        let price = fields.text("price", parse::price);
        let quantity = fields.integer("quantity", parse::quantity);
        let side = fields.text("side", parse::name::<schemas::Side>("BUY, SELL"));
        let problem = fields.finish(price.zip(quantity).zip(side)).unwrap_err();
        assert_eq!(
            faults(&problem),
            [
                (at("/quantity"), "repeated"),
                (at("/price"), "type"),
                (at("/quantity"), "out-of-range"),
                (at("/side"), "missing"),
                (at("/a~1b"), "unknown"),
            ]
        );
    }

    #[test]
    fn whole_numbers_are_not_strings_floats_or_huge() {
        for (json, code) in [
            ("10.0", "type"),
            ("1e1", "type"),
            ("\"10\"", "type"),
            ("true", "type"),
            ("[]", "type"),
            ("null", "type"),
            ("-1", "out-of-range"),
            ("0", "out-of-range"),
            ("1000001", "out-of-range"),
            ("18446744073709551616", "type"),
        ] {
            let mut fields = Fields::parse(format!(r#"{{"quantity": {json}}}"#).as_bytes()).unwrap();
            let quantity = fields.integer("quantity", parse::quantity);
            assert_eq!(faults(&fields.finish(quantity).unwrap_err()), [(at("/quantity"), code)], "{json}");
        }
    }

    #[test]
    fn null_is_absent_where_a_field_may_be_absent() {
        let mut fields = Fields::parse(br#"{"client_id": null}"#).unwrap();
        let client_id = fields.text_or("client_id", None, |text| parse::client_id(text).map(Some));
        assert_eq!(fields.finish(client_id).unwrap(), None);
    }

    #[test]
    fn a_body_is_an_object() {
        for body in ["[]", "1", "-1", "1.5", "\"x\"", "null", "true", "[[1]]"] {
            let problem = Fields::parse(body.as_bytes()).unwrap_err();
            assert_eq!(faults(&problem), [(at(""), "type")], "{body}");
        }
        let deep = "[".repeat(100_000);
        for body in ["{", "{\"a\":}", "{} {}", "\u{feff}{}", "{'a': 1}", deep.as_str()] {
            assert_eq!(Fields::parse(body.as_bytes()).unwrap_err().kind(), kinds::MALFORMED_JSON, "{body:.20}");
        }
        assert_eq!(Fields::parse(b"{\"a\": \"\xff\"}").unwrap_err().kind(), kinds::MALFORMED_JSON);
        assert!(Fields::parse(b"").unwrap().finish(Some(())).is_ok());
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        let pairs = [("limit", "7"), ("limit", "8"), ("x", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let mut params = Params::new(pairs.into());
        assert_eq!(params.optional("limit", parse::page_limit), Some(8));
        let problem = params.finish().unwrap_err();
        let of = |name: &str| Place::Parameter(name.to_owned());
        assert_eq!(faults(&problem), [(of("limit"), "repeated"), (of("x"), "unknown")]);
    }
}
