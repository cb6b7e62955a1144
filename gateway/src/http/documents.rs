//! Documents about the interface: OpenAPI, its pages for people, and Markdown for programs that read.

use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::http::extract::Segment;
use crate::http::problem::{Problem, kinds};

/// The path of the OpenAPI document.
const OPENAPI: &str = "/v1/openapi.json";

/// Documents in Markdown: file name, content, and what it says.
const MARKDOWN: [(&str, &str, &str); 6] = [
    ("api.md", include_str!("../../API.md"), "the reference of the HTTP and WebSocket interface"),
    (
        "limits.md",
        include_str!("../../../docs/limits.md"),
        "every limit, its default, and what a client sees beyond it",
    ),
    ("glossary.md", include_str!("../../../docs/glossary.md"), "the terms of the log, the interface and the tables"),
    ("invariants.md", include_str!("../../../docs/invariants.md"), "what always holds"),
    ("benchmarks.md", include_str!("../../../docs/benchmarks.md"), "measured figures, and how to measure them"),
    ("upgrades.md", include_str!("../../../docs/upgrades.md"), "what may change between versions"),
];

fn text(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

/// The text of the OpenAPI document. An extension of every request.
#[derive(Clone)]
pub struct OpenApiText(pub Bytes);

/// Serves this document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "get_openapi",
    tag = "documents",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub async fn openapi(Extension(OpenApiText(document)): Extension<OpenApiText>) -> Response {
    text("application/json", document)
}

/// Lists the documents for programs that read.
#[utoipa::path(
    get,
    path = "/llms.txt",
    operation_id = "get_llms_txt",
    tag = "documents",
    responses((status = 200, description = "Markdown", body = String, content_type = "text/plain"))
)]
pub async fn llms() -> Response {
    let line = |(file, _, about): &(&str, &str, &str)| format!("- [{file}](/docs/{file}): {about}\n");
    let lines: String = MARKDOWN.iter().map(line).collect();
    let head =
        "# LFG trading core\n\n> A prediction market: YES and NO contracts of markets, traded by HTTP and WebSocket.\n";
    let openapi = format!("- [openapi.json]({OPENAPI}): every route, field, answer and problem, as OpenAPI 3.1\n");
    text("text/plain; charset=utf-8", format!("{head}\n## Documents\n\n{openapi}{lines}"))
}

/// Redirects to the pages about the interface.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "redirect_to_docs",
    tag = "documents",
    responses((status = 308, description = "The pages are at /docs/"))
)]
pub async fn docs() -> Redirect {
    Redirect::permanent("/docs/")
}

/// Serves the pages about the interface.
#[utoipa::path(
    get,
    path = "/docs/",
    operation_id = "get_docs",
    tag = "documents",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html"))
)]
pub async fn index() -> Result<Response, Problem> {
    page("index.html")
}

/// Serves a document in Markdown, or a file of the pages.
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "get_document",
    tag = "documents",
    params(("file" = String, Path, description = "The file, as in /llms.txt", example = "api.md")),
    responses((status = 200, description = "The file", body = String, content_type = "text/markdown"))
)]
pub async fn file(Segment(name): Segment) -> Result<Response, Problem> {
    match MARKDOWN.iter().find(|(file, ..)| *file == name) {
        Some((_, markdown, _)) => Ok(text("text/markdown; charset=utf-8", *markdown)),
        None => page(&name),
    }
}

/// What a page of Swagger UI may load: its own files, and nothing of others.
const PAGE_MAY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// A file of Swagger UI, which is compiled in.
fn page(name: &str) -> Result<Response, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from(OPENAPI)));
    let found = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)).map_err(|error| {
        tracing::error!(%error, name, "a page of the documents cannot be made");
        Problem::new(kinds::INTERNAL)
    })?;
    let file = found.ok_or_else(|| Problem::new(kinds::ROUTE_UNKNOWN))?;
    let headers = [(header::CONTENT_TYPE, file.content_type), (header::CONTENT_SECURITY_POLICY, PAGE_MAY.to_owned())];
    Ok((headers, file.bytes.into_owned()).into_response())
}
