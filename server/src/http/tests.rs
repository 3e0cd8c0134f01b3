//! The routes with all their layers, on a real database, without a socket.

mod api;
mod bundle;
mod edges;
mod retention;

use super::problem::Code;
use super::router;
use crate::App;
use crate::config::{Config, Secret};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const TOKEN: &str = "an admin token of at least 32 bytes";

/// A server on a folder of its own.
struct Server {
    router: Router,
    stop: CancellationToken,
    folder: std::path::PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("text"))
    }

    /// Checks what every problem keeps (SPEC H5) and gives its code.
    fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json", "{body}");
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["request_id"], self.header("x-request-id"));
        let code = body["code"].as_str().expect("a code").to_owned();
        assert!(Code::ALL.iter().any(|known| known.as_str() == code), "{code}");
        (self.status.as_u16(), code)
    }
}

impl Server {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = std::env::temp_dir().join(format!("thexr-http-{:032x}", rand::random::<u128>()));
        let mut config = Config {
            data: folder.clone(),
            admin_token: Some(Secret::new(TOKEN)),
            ..Config::default()
        };
        change(&mut config);
        let stop = CancellationToken::new();
        let (app, _): (App, _) = crate::open(config, stop.clone()).await.expect("opens");
        Self {
            router: router(app),
            stop,
            folder,
        }
    }

    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
            .into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("a body").to_bytes().to_vec(),
        }
    }

    async fn with_headers(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:4000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_vec())).expect("a request"))
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.with_headers("GET", path, &[], b"").await
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.with_headers(method, path, &json, body.to_string().as_bytes())
            .await
    }

    async fn admin(&self, method: &str, path: &str) -> Answer {
        let token = format!("Bearer {TOKEN}");
        self.with_headers(method, path, &[("authorization", &token)], b"")
            .await
    }
}

const LOBBY: &str = "/api/v1/spaces/lobby";
