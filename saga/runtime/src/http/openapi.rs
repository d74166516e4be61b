//! `/openapi.json`: the process's own document and what every process has, in one.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};

use super::Problem;

/// The name of the security scheme; what needs a token says `security(("token" = []))`.
const TOKEN: &str = "token";

/// One document of two. The process's own comes first and wins.
pub(super) fn merged(own: OpenApi, every: OpenApi, name: &str, version: &str) -> OpenApi {
    let mut document = own.merge_from(every);
    if document.info.title.is_empty() {
        name.clone_into(&mut document.info.title);
    }
    version.clone_into(&mut document.info.version);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the file that SAGA_TOKENS_FILE names"))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    document
}

/// Serves the document, which never changes.
pub(super) fn route(document: &OpenApi) -> Router {
    let json = document.to_pretty_json().map(Bytes::from).map_err(|error| error.to_string());
    let answer = async move || {
        let json = json.map_err(|error| Problem::internal(&error))?;
        Ok::<_, Problem>(([(CONTENT_TYPE, "application/json")], json))
    };
    Router::new().route("/openapi.json", get(answer))
}
