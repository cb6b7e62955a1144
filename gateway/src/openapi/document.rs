//! The document: what utoipa collects from the routes, and what is said once for all of them.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::complete::complete;
use super::scalars::{CommandIdText, LogPositionText};
use super::tidy::tidy;
use crate::http::answer::AcceptedAnswer;
use crate::http::problem::{DescribedProblem, FieldError};

/// What is not found by way of the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "LFG trading core",
        version = "0.2.0",
        license(name = "MIT"),
        description = "A prediction market: YES and NO contracts of markets, which pay 1 credit if the answer is yes \
            or no. An order is a command on a log; its answer carries its position there.\n\n\
            - Ids, prices and credits are strings; quantities are integers.\n\
            - Unknown and repeated fields are refused, and so are unknown parameters.\n\
            - An absent optional field and null are the same, except where a field says otherwise.\n\
            - Every error is `application/problem+json` (RFC 9457) with a stable `code`; `x-problems` has those that operations answer with.\n\
            - `min_position` makes a read wait until it shows what an earlier answer showed."
    ),
    servers((url = "/")),
    tags(
        (name = "markets", description = "Markets, books and trades"),
        (name = "orders", description = "Orders and their fills"),
        (name = "groups", description = "Groups of orders that fill so much in a window"),
        (name = "portfolio", description = "Wallet, positions and transfers"),
        (name = "account", description = "Accounts, keys and the dead-man switch"),
        (name = "admin", description = "What admins do"),
        (name = "streams", description = "WebSocket"),
        (name = "documents", description = "This document, and others"),
    ),
    components(schemas(DescribedProblem, FieldError, AcceptedAnswer, LogPositionText, CommandIdText)),
)]
struct DocumentFrame;

/// Makes the document from what the routes describe.
pub fn document(routes: utoipa::openapi::OpenApi) -> Value {
    let mut whole = DocumentFrame::openapi();
    whole.merge(routes);
    let mut document = serde_json::to_value(whole).expect("plain structs");
    complete(&mut document);
    tidy(&mut document);
    let components = &mut document["components"];
    components["parameters"] = json!({"IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "Tags of answers that the client has.",
        "schema": {"type": "string"},
        "example": "W/\"9f2c0b1e4d7a8c35f1e0a2b3c4d5e6f7\"",
    }, "MinPosition": {
        "name": "min_position",
        "in": "query",
        "description": "The answer shows at least these positions, one for each shard, separated by commas. Each is of a \
            shard that exists, and each shard is named once. It waits up to 2 s for them.",
        "schema": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,4}):(0|[1-9][0-9]{0,19})(, ?(0|[1-9][0-9]{0,4}):(0|[1-9][0-9]{0,19}))*$"},
        "example": "0:1",
    }});
    components["headers"] = json!({
        "ETag": {
            "description": "A weak tag of the content without its log position.",
            "schema": {"type": "string"},
            "example": "W/\"9f2c0b1e4d7a8c35f1e0a2b3c4d5e6f7\"",
        },
        "XRequestId": {
            "description": "The id of the request: the client's own `X-Request-Id`, if it is 1 to 64 letters, digits, \
                `.`, `_` or `-`; otherwise a UUID.",
            "schema": {"type": "string"},
            "example": "0199c2a4-6f0e-7c3a-9d55-0b7f3c1de001",
        },
        "LfgPosition": {
            "description": "The log positions of the answer, one for each shard, separated by commas.",
            "schema": {"type": "string"},
            "example": "2:41",
        },
        "RetryAfter": {
            "description": "Seconds after which a retry may succeed.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 1,
        },
        "RateLimitPolicy": {
            "description": "The policies of which the request takes, each as a quota `q` in a window of `w` seconds \
                (draft-ietf-httpapi-ratelimit-headers-11). `x-rate-limit` of an operation is what it takes.",
            "schema": {"type": "string"},
            "example": "\"write\";q=2000;w=2",
        },
        "RateLimit": {
            "description": "What is left (`r`), and the seconds until all of it is there again (`t`).",
            "schema": {"type": "string"},
            "example": "\"write\";r=1980;t=1",
        },
        "WwwAuthenticate": {
            "description": "How to authenticate.",
            "schema": {"type": "string"},
            "example": "Bearer realm=\"lfg\"",
        },
    });
    components["responses"] = json!({"Accepted": {
        "description": "The command is on the log, and its result did not arrive in time. `look` is where it will be.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
    }});
    components["securitySchemes"] = json!({
        "accountKey": {"type": "http", "scheme": "bearer",
            "description": "An account's key, `lfg_<key id>_<secret>`. The roles of an operation are the scopes of which \
                the key needs one."},
        "signatureKey": {"type": "apiKey", "in": "header", "name": "LFG-Key",
            "description": "The id of an account's key that signs its requests."},
        "signatureTime": {"type": "apiKey", "in": "header", "name": "LFG-Timestamp",
            "description": "The time of signing, in milliseconds since 1970-01-01 UTC."},
        "signature": {"type": "apiKey", "in": "header", "name": "LFG-Signature",
            "description": "The Ed25519 signature of the request's text, in base64."},
        "adminKey": {"type": "http", "scheme": "bearer",
            "description": "An admin's key. The roles of an operation are the admin's."},
    });
    document
}
