//! The OpenAPI document and a gateway agree: Schemathesis sends what the document allows and what it
//! forbids, with a fixed seed, to a whole exchange.
//!
//! No answer is a 5xx (but the 503 of a position that is not reached), has an undocumented status, or
//! breaks its schema; what the document forbids is refused. `LFG_EXAMPLES` sets how many requests the
//! last phase tries of each operation, `LFG_PHASES` the phases.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "../common/mod.rs"]
mod common;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use common::api::limit;
use common::{ADMIN_KEY, Platform};
use tokio::process::Command;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// Checks of our own.
const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi/checks.py");

/// Operations that would end the run: they take the key that it uses, or its admins.
const EXCLUDED: [&str; 4] = ["revoke_api_key", "set_admin", "revoke_admin", "raise_vocabulary"];

/// Runs a program until it ends.
async fn run(mut command: Command) -> (bool, String) {
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let done = tokio::time::timeout(Duration::from_secs(900), ended).await.expect("it ends").expect("it starts");
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A folder of tools that `ops/test` installs.
fn tools(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("{variable}: run ops/test")))
}

/// Runs one program of the Python tools.
async fn python(program: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(tools("LFG_PYTHON").join(program));
    // Schemathesis keeps what it found in the folder that it runs in, and begins with it the next time.
    let home = tempfile::tempdir().unwrap();
    command.args(arguments).env("SCHEMATHESIS_HOOKS", CHECKS).current_dir(home.path());
    run(command).await
}

#[tokio::test]
async fn every_example_of_the_document_is_answered_as_it_says() {
    let whole = Platform::with_two_admins("examples").await;
    whole.api.market("RAIN-TOMORROW").await;
    let account = whole.api.account("1000").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/examples.py");
    let url = format!("http://{}", whole.api.address);
    let (fine, said) = python("python", &[script, DOCUMENT, &url, &account.key, ADMIN_KEY]).await;
    assert!(fine, "{said}");
    whole.remove().await;
}

#[tokio::test]
async fn a_client_generated_for_typescript_trades() {
    let client = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/typescript");
    let (home, packages) = (tempfile::tempdir().unwrap(), tools("LFG_TYPESCRIPT"));
    for file in ["package.json", "tsconfig.json", "client.ts", "trade.ts"] {
        std::fs::copy(client.join(file), home.path().join(file)).unwrap();
    }
    std::os::unix::fs::symlink(&packages, home.path().join("node_modules")).unwrap();
    let program = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(packages.join(".bin").join(name));
        command.args(arguments).current_dir(home.path());
        command
    };
    for made in [program("openapi-typescript", &[DOCUMENT, "--output", "schema.d.ts"]), program("tsc", &[])] {
        let (fine, said) = run(made).await;
        assert!(fine, "{said}");
    }
    let whole = Platform::whole("typescript").await;
    whole.api.market("SNOW").await;
    let account = whole.api.account("100").await;
    let mut trade = Command::new("node");
    trade.arg("build/trade.js").current_dir(home.path());
    trade.envs([("LFG_URL", format!("http://{}", whole.api.address)), ("LFG_KEY", account.key)]);
    let (fine, said) = run({
        trade.env("LFG_TICKER", "SNOW");
        trade
    })
    .await;
    assert!(fine && said.contains("traded"), "{said}");
    whole.remove().await;
}

#[tokio::test]
async fn the_document_is_valid() {
    let (valid, said) = python("openapi-spec-validator", &[DOCUMENT]).await;
    assert!(valid, "{said}");
}

#[tokio::test]
async fn the_gateway_does_what_the_document_says() {
    let whole = Platform::with_two_admins("schemathesis").await;
    let api = &whole.api;
    api.market("RAIN-TOMORROW").await;
    let (account, other) = (api.account("1000").await, api.account("1000").await);
    api.order(&other, &limit("RAIN-TOMORROW", "BUY YES 10 @ 0.40")).await.expect(201);
    api.order(&account, &limit("RAIN-TOMORROW", "SELL NO 1 @ 0.60")).await;
    let examples = std::env::var("LFG_EXAMPLES").unwrap_or_else(|_| "8".to_owned());
    let phases = std::env::var("LFG_PHASES").unwrap_or_else(|_| "examples,coverage,fuzzing".to_owned());
    let url = format!("http://{}", api.address);
    for (key, of_tag) in [(account.key.as_str(), "--exclude-tag"), (ADMIN_KEY, "--include-tag")] {
        let authorization = format!("Authorization: Bearer {key}");
        let mut arguments = vec!["run", DOCUMENT, "--url", &url, "--header", &authorization, of_tag, "admin"];
        arguments.extend(["--phases", &phases, "--max-examples", &examples, "--seed", "1"]);
        // Python 3.11 cannot parse in two threads at the same time.
        arguments.extend(["--workers", "1", "--request-timeout", "30", "--continue-on-failure", "--no-color"]);
        arguments.extend(["--warnings", "off", "--exclude-path", "/v1/ws"]);
        arguments.extend([
            "--checks",
            "server_is_well,status_code_conformance,content_type_conformance,response_headers_conformance,\
             response_schema_conformance,negative_data_rejection,ignored_auth",
        ]);
        arguments.extend(EXCLUDED.iter().flat_map(|operation| ["--exclude-operation-id", operation]));
        let (agrees, said) = python("schemathesis", &arguments).await;
        assert!(agrees, "{said}");
    }
    whole.remove().await;
}
