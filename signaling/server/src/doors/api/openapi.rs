//! `GET /api/openapi.json`: what the native API is, for programs. Made of the handlers themselves: a route that is served is
//! in it, with the types it really reads and writes.

use std::sync::{Arc, LazyLock};

use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

const ABOUT: &str = "Rooms, people and what happened, over JSON. Times are Unix milliseconds. Who asks shows a token as \
    `Authorization: Bearer`: a participant's, a back end's (signed with an API key), or that of an account; in development \
    mode nobody has to. Every error is a `Problem`.";

/// Made once: it does not change while the server runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| whole(super::all().into_openapi()).to_string());

/// What everything else is added to.
pub(super) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Sluice")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT));
    OpenApiBuilder::new().info(info.build()).build()
}

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(document))
}

/// This document
#[utoipa::path(get, path = "/api/openapi.json", tag = "about", responses((status = 200, description = "OpenAPI 3.1")))]
async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// Why a request failed. The document shows it; `ApiError::render` writes it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    error: Reason,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reason {
    /// For programs; never changes.
    code: String,
    /// One of few that every client knows: `permission_error`, `security_error`, `network_error`, `signaling_error`.
    #[serde(rename = "type")]
    kind: String,
    /// For people.
    message: String,
    /// Names the request in the server's log and audit trail.
    request_id: String,
}

/// What holds for every operation, said once: how errors look, and how tokens are shown.
fn whole(document: OpenApi) -> Value {
    // Texts, numbers and maps with texts for keys: none of it can fail.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let problem = json!({
        "description": "It failed, and this is why",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if let Some(paths) = document["paths"].as_object_mut() {
        for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
            if operation["responses"].is_object() {
                operation["responses"]["default"] = problem.clone();
            }
        }
    }
    for (name, schema) in schemas() {
        document["components"]["schemas"][name] = schema;
    }
    document["components"]["securitySchemes"]["bearer"] = json!({ "type": "http", "scheme": "bearer" });
    // Without one as well: what is open to whom is said of each operation.
    document["security"] = json!([{ "bearer": [] }, {}]);
    document
}

/// Those that no operation names.
fn schemas() -> Vec<(String, Value)> {
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    let json = |schema| serde_json::to_value(schema).unwrap_or_default();
    schemas.into_iter().map(|(name, schema)| (name, json(schema))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Limits;

    /// Paths as axum shows them to who debugs: there is no other list of them.
    fn served() -> BTreeSet<String> {
        let router = format!("{:?}", super::super::routes(&Limits::default()));
        let paths = router.split('"').filter(|text| text.starts_with("/api/"));
        paths.map(str::to_owned).collect()
    }

    #[test]
    fn what_is_served_is_in_the_document_and_nothing_else() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
        let served = served();
        assert!(served.contains("/api/rooms/{id}/join"), "{served:?}");
        assert_eq!(described, served);
    }

    #[test]
    fn every_operation_says_what_it_is_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{method} {path}");
                assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}: the id is taken");
                let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
                let said: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
                for name in names {
                    let is_said = said.iter().any(|parameter| parameter["name"] == name && parameter["in"] == "path");
                    assert!(is_said, "{method} {path}: {name} is not described");
                }
            }
        }
        for reference in DOCUMENT.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
