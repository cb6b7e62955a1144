//! Reads bodies and query strings field by field, and reports every fault at once.
//!
//! Strict on purpose: an unknown field, a repeated field and a field of another type are errors
//! with their location, because a misspelt `worst_price` that is silently ignored costs money.

use std::collections::BTreeMap;

use crate::http::json::{Json, Object};
use crate::http::parse::ValueFault;
use crate::http::problem::{ERRORS_MAX, FaultLocation, FieldError, Problem, kinds};

/// A JSON object whose fields are read one by one.
#[derive(Debug)]
pub struct Fields {
    /// A JSON pointer to the object: empty for the body itself.
    path: String,
    left: BTreeMap<String, Json>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Parses a body. An empty one is an empty object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::of(String::new(), Object::default()));
        }
        match serde_json::from_slice::<Json>(body) {
            Ok(Json::Object(object)) => Ok(Self::of(String::new(), object)),
            Ok(_) => Err(Problem::invalid(vec![FieldError {
                place: FaultLocation::Pointer(String::new()),
                code: "type",
                detail: "the body must be a JSON object".to_owned(),
            }])),
            Err(error) => Err(Problem::new(kinds::MALFORMED_JSON).detail(error.to_string())),
        }
    }

    fn of(path: String, object: Object) -> Self {
        let mut fields = Self { path, left: object.members, errors: Vec::new() };
        for name in object.repeated {
            fields.note(&name, "repeated", "given more than once".to_owned());
        }
        fields
    }

    /// Returns true if the field is present and not null.
    pub fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !matches!(value, Json::Null))
    }

    /// Reads a required string.
    pub fn text<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, ValueFault>) -> Option<T> {
        let parsed = match self.required(name)? {
            Json::Text(text) => parse(&text),
            _ => Err(ValueFault::kind("a string")),
        };
        self.keep(name, parsed)
    }

    /// Reads an optional string; null is the same as absent.
    pub fn text_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: impl FnOnce(&str) -> Result<T, ValueFault>,
    ) -> Option<T> {
        if self.is_absent(name) { Some(absent) } else { self.text(name, parse) }
    }

    /// Reads a string that replaces a value: `None` within if the field is absent, `Some(None)` if
    /// it is null, which removes the value.
    pub fn replaced<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, ValueFault>,
    ) -> Option<Option<Option<T>>> {
        if !self.left.contains_key(name) {
            return Some(None);
        }
        self.text_or(name, None, |text| parse(text).map(Some)).map(Some)
    }

    /// Reads a required whole number.
    pub fn integer<T>(&mut self, name: &'static str, parse: impl FnOnce(u64) -> Result<T, ValueFault>) -> Option<T> {
        let parsed = match self.required(name)? {
            Json::Unsigned(number) => parse(number),
            Json::Negative => Err(ValueFault::range("positive")),
            _ => Err(ValueFault::kind("a whole number")),
        };
        self.keep(name, parsed)
    }

    /// Reads an optional whole number; null is the same as absent.
    pub fn integer_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: impl FnOnce(u64) -> Result<T, ValueFault>,
    ) -> Option<T> {
        if self.is_absent(name) { Some(absent) } else { self.integer(name, parse) }
    }

    /// Reads a boolean; absent is false.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        if self.is_absent(name) {
            return Some(false);
        }
        let parsed = match self.required(name)? {
            Json::Bool(value) => Ok(value),
            _ => Err(ValueFault::kind("true or false")),
        };
        self.keep(name, parsed)
    }

    /// Reads an optional list of strings.
    pub fn texts_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        parse: impl FnOnce(&[&str]) -> Result<T, ValueFault>,
    ) -> Option<T> {
        if self.is_absent(name) {
            return Some(absent);
        }
        let value = self.required(name)?;
        let text = |item: &Json| if let Json::Text(text) = item { Some(text.clone()) } else { None };
        let texts: Option<Vec<String>> =
            if let Json::List(items) = &value { items.iter().map(text).collect() } else { None };
        let parsed = texts.ok_or_else(|| ValueFault::kind("a list of strings"));
        let parsed = parsed.and_then(|texts| parse(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
        self.keep(name, parsed)
    }

    /// Reads an optional object with `read`.
    pub fn object_or<T>(
        &mut self,
        name: &'static str,
        absent: T,
        read: impl FnOnce(&mut Fields) -> Option<T>,
    ) -> Option<T> {
        if self.is_absent(name) { Some(absent) } else { self.object(name, read) }
    }

    /// Reads a required object with `read`.
    pub fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields) -> Option<T>) -> Option<T> {
        let value = self.required(name)?;
        self.enter(name, value, read)
    }

    /// Reads a list with a bounded number of objects, each with `read`. Returns `None` if one of
    /// them is invalid.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
        mut read: impl FnMut(&mut Fields) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = match self.required(name)? {
            Json::List(items) if range.contains(&items.len()) => items,
            Json::List(_) => {
                let wanted = format!("{} to {} items", range.start(), range.end());
                return self.keep(name, Err(ValueFault::range(&wanted)));
            }
            _ => return self.keep(name, Err(ValueFault::kind("a list of objects"))),
        };
        let mut list = Self::of(self.pointer(name), Object::default());
        let all: Vec<Option<T>> =
            items.into_iter().enumerate().map(|(i, item)| list.enter(&i.to_string(), item, &mut read)).collect();
        self.errors.append(&mut list.errors);
        all.into_iter().collect()
    }

    fn enter<T>(&mut self, name: &str, value: Json, read: impl FnOnce(&mut Fields) -> Option<T>) -> Option<T> {
        let Json::Object(object) = value else { return self.keep(name, Err(ValueFault::kind("an object"))) };
        let mut inner = Self::of(self.pointer(name), object);
        let built = read(&mut inner);
        inner.refuse_unknown();
        let sound = inner.errors.is_empty();
        self.errors.append(&mut inner.errors);
        built.filter(|_| sound)
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, name: &str, fault: ValueFault) {
        self.note(name, fault.code, fault.detail);
    }

    /// Refuses a field that conflicts with others.
    pub fn refuse(&mut self, name: &str, why: &str) {
        if self.left.remove(name).is_some_and(|value| !matches!(value, Json::Null)) {
            self.fault(name, ValueFault::conflict(why));
        }
    }

    /// Skips fields that cannot be checked, because a field they depend on is missing or invalid.
    pub fn skip<T>(&mut self, names: &[&str]) -> Option<T> {
        self.left.retain(|name, _| !names.contains(&name.as_str()));
        None
    }

    /// Returns the result, or all faults: `None` from `build` means that a fault was noted. Fields
    /// that were never read are unknown.
    pub fn finish<T>(mut self, built: Option<T>) -> Result<T, Problem> {
        self.refuse_unknown();
        match built {
            Some(built) if self.errors.is_empty() => Ok(built),
            _ => Err(Problem::invalid(self.errors)),
        }
    }

    fn refuse_unknown(&mut self) {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.note(&name, "unknown", "there is no such field".to_owned());
        }
    }

    /// Removes a field; null is the same as absent.
    fn is_absent(&mut self, name: &str) -> bool {
        let absent = !self.has(name);
        if absent {
            self.left.remove(name);
        }
        absent
    }

    fn required(&mut self, name: &'static str) -> Option<Json> {
        let value = self.left.remove(name);
        if value.is_none() {
            self.fault(name, ValueFault::missing("must be given"));
        }
        value
    }

    fn keep<T>(&mut self, name: &str, parsed: Result<T, ValueFault>) -> Option<T> {
        parsed.map_err(|fault| self.fault(name, fault)).ok()
    }

    fn note(&mut self, name: &str, code: &'static str, detail: String) {
        // One more than is shown means that there are more.
        if self.errors.len() <= ERRORS_MAX {
            let place = FaultLocation::Pointer(self.pointer(name));
            self.errors.push(FieldError { place, code, detail });
        }
    }

    /// Makes a JSON pointer (RFC 6901) to a field of the object.
    fn pointer(&self, name: &str) -> String {
        // An unknown name comes from the client: it is shown, shortened.
        const SHOWN: usize = 64;
        let shown: String = name.chars().take(SHOWN).collect();
        format!("{}/{}", self.path, shown.replace('~', "~0").replace('/', "~1"))
    }
}

/// The parameters of a query string, read one by one.
#[derive(Debug)]
pub struct Params {
    left: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Params {
    /// Creates the parameters from decoded pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        let mut params = Self { left: BTreeMap::new(), errors: Vec::new() };
        for (name, value) in pairs {
            if params.left.contains_key(&name) {
                params.fault(&name, ValueFault { code: "repeated", detail: "given more than once".to_owned() });
            }
            params.left.insert(name, value);
        }
        params
    }

    /// Returns true if the parameter is present.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Reads an optional parameter.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, ValueFault>) -> Option<T> {
        let text = self.left.remove(name)?;
        parse(&text).map_err(|fault| self.fault(name, fault)).ok()
    }

    /// Reads a required parameter.
    pub fn required<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, ValueFault>) -> Option<T> {
        if !self.has(name) {
            self.fault(name, ValueFault::missing("must be given"));
        }
        self.optional(name, parse)
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, name: &str, fault: ValueFault) {
        if self.errors.len() <= ERRORS_MAX {
            let place = FaultLocation::Parameter(name.chars().take(64).collect());
            self.errors.push(FieldError { place, code: fault.code, detail: fault.detail });
        }
    }

    /// Parameters that were never read are unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.fault(&name, ValueFault { code: "unknown", detail: "there is no such parameter".to_owned() });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::parse;

    fn faults(problem: &Problem) -> Vec<(FaultLocation, &'static str)> {
        problem.errors().iter().map(|error| (error.place.clone(), error.code)).collect()
    }

    fn at(name: &str) -> FaultLocation {
        FaultLocation::Pointer(name.to_owned())
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
    fn a_flag_is_true_or_false_and_nothing_else() {
        let flag = |body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let flag = fields.flag("on");
            fields.finish(flag).map_err(|problem| faults(&problem))
        };
        assert_eq!((flag("{}"), flag(r#"{"on": null}"#), flag(r#"{"on": true}"#)), (Ok(false), Ok(false), Ok(true)));
        for body in [r#"{"on": 1}"#, r#"{"on": "true"}"#] {
            assert_eq!(flag(body), Err(vec![(at("/on"), "type")]));
        }
    }

    #[test]
    fn faults_inside_have_their_place_and_repeats_are_seen_at_any_depth() {
        let body =
            br#"{"list": [{"a": {"n": 1, "n": 2}}, {"a": {"n": 0, "x": 1}}, 7, {"b": {}}, {"a": {"n": 3}, "a~": 1}]}"#;
        let mut fields = Fields::parse(body).unwrap();
        let read = |item: &mut Fields| item.object("a", |a| a.integer("n", parse::quantity));
        let list = fields.objects("list", 1..=10, read);
        assert_eq!(
            faults(&fields.finish(list).unwrap_err()),
            [
                (at("/list/0/a/n"), "repeated"),
                (at("/list/1/a/n"), "out-of-range"),
                (at("/list/1/a/x"), "unknown"),
                (at("/list/2"), "type"),
                (at("/list/3/a"), "missing"),
                (at("/list/3/b"), "unknown"),
                (at("/list/4/a~0"), "unknown"),
            ]
        );
    }

    #[test]
    fn a_list_has_as_many_items_as_it_may() {
        for (body, code) in [("{}", "missing"), (r#"{"l": []}"#, "out-of-range"), (r#"{"l": {}}"#, "type")] {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let list = fields.objects("l", 1..=1, |_| Some(()));
            assert_eq!(faults(&fields.finish(list).unwrap_err()), [(at("/l"), code)], "{body}");
        }
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
        let of = |name: &str| FaultLocation::Parameter(name.to_owned());
        assert_eq!(faults(&problem), [(of("limit"), "repeated"), (of("x"), "unknown")]);
    }
}
