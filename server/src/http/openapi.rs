//! `/openapi.json`: the interface as OpenAPI 3.1. The file is committed; its test compares it with the routes, the
//! problem codes and the types of the schema crate.

use axum::http::header;
use axum::response::IntoResponse;

/// The document.
pub const TEXT: &str = include_str!("../../../schema/openapi.json");

/// `GET /openapi.json`
pub async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT)
}
