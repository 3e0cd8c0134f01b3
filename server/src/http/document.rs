//! `/api/v1/spaces/{space}/document` and `…/update`: a whole document out, any update in.

use super::etag;
use super::input::{InSpace, Query, UpdateBytes};
use super::past::Moment;
use super::problem::{Code, Problem};
use super::space::row;
use crate::space::SpaceHandle;
use crate::space::doc::{CheckedUpdate, Encoding, SpaceDoc};
use crate::space::past;
use crate::{App, limits};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use thexr_schema::api::Written;
use thexr_schema::ids::{Seq, SpaceId};

const UPDATE: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// Which document: that after an event, that of a time, or the present one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    seq: Option<i64>,
    at: Option<String>,
}

/// The forms a document is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// A Yjs update in v1 encoding.
    Update,
}

/// `GET …/document`
pub async fn show(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let moment = Moment::of(which.seq, "at", which.at.as_deref())?;
    let form = form(&headers).ok_or_else(|| {
        Problem::new(
            Code::NotAcceptable,
            format!("A document is given as {JSON} or {UPDATE}."),
        )
    })?;
    if moment != Moment::Now {
        return past(&app, &id, &moment, form, &headers).await;
    }
    let space = app.spaces.get(&id).await?;
    let mut response = match etag::unchanged(&space, &headers).await? {
        Some(not_modified) => not_modified,
        None => {
            let (body, seq) = match form {
                Form::Update => {
                    let (update, seq) = space.read(|doc| doc.encode(Encoding::V1)).await?;
                    (([(header::CONTENT_TYPE, UPDATE)], update).into_response(), seq)
                }
                Form::Json => {
                    let (json, seq) = json(&space).await?;
                    (([(header::CONTENT_TYPE, JSON)], json).into_response(), seq)
                }
            };
            etag::tagged(&etag::of(&space, seq), body)
        }
    };
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The document of a moment; it will never be another one, so whoever has it need not ask again.
async fn past(
    app: &App,
    id: &SpaceId,
    moment: &Moment,
    form: Form,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let row = row(app, id).await?;
    let seq = moment.find(app.spaces.store(), &row).await?;
    // A form has a tag of its own: a program that asks for another one must not be told that it has it.
    let form_of = if form == Form::Json { "json" } else { "update" };
    let tag = format!("\"{}-{seq}-{form_of}\"", row.epoch);
    let response = if etag::matches(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match form {
            Form::Update => {
                let update = past::update(app.spaces.store(), &row, seq).await?;
                ([(header::CONTENT_TYPE, UPDATE)], update).into_response()
            }
            Form::Json => {
                let json = past::json(app.spaces.store(), &row, seq).await?;
                ([(header::CONTENT_TYPE, JSON)], json).into_response()
            }
        }
    };
    let seq = [(HeaderName::from_static("thexr-seq"), seq.to_string())];
    let vary = [(header::VARY, "accept")];
    Ok(etag::tagged(&tag, (seq, vary, response)))
}

/// What an update is for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForWhich {
    /// The history that the sender has a copy of.
    epoch: Option<String>,
}

/// `POST …/update`
pub async fn update(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<ForWhich>,
    UpdateBytes(bytes): UpdateBytes,
) -> Result<Response, Problem> {
    // A scan of 16 MiB takes long enough to be in the way of others.
    let scan = tokio::task::spawn_blocking(move || CheckedUpdate::parse(bytes));
    let checked = scan.await.map_err(|error| Problem {
        cause: Some(error.to_string()),
        ..Problem::new(Code::Internal, "The update could not be judged.")
    })?;
    let checked = checked.map_err(|fault| {
        app.metrics.update("malformed");
        Problem::new(
            Code::BadUpdate,
            format!("This does not look like a Yjs v1 update that Thexr takes ({fault})."),
        )
    })?;
    let space = app.spaces.get(&id).await?;
    if which.epoch.is_some_and(|epoch| epoch != space.epoch()) {
        let what = "The space was made anew or restored since: this update is of a history it has no more.";
        return Err(Problem::new(Code::EpochChanged, what));
    }
    let done = space.import(checked).await?;
    let written = Written {
        id: None,
        seq: done.seq.0,
    };
    Ok(etag::tagged(&etag::of(&space, done.state), axum::Json(written)))
}

/// The document as JSON text. A large one is encoded by the space and read here, so that its members do not wait.
async fn json(space: &SpaceHandle) -> Result<(Vec<u8>, Seq), Problem> {
    enum Read {
        Small(Value),
        Large(Vec<u8>),
    }
    let read = space.read(|doc| {
        if doc.encoded_bytes() <= limits::DOC_WALK_BYTES_MAX {
            Read::Small(doc.to_json())
        } else {
            Read::Large(doc.encode(Encoding::V1))
        }
    });
    let (read, seq) = read.await?;
    let update = match read {
        Read::Small(json) => return Ok((json.to_string().into_bytes(), seq)),
        Read::Large(update) => update,
    };
    // It costs its whole memory again, as one of the past does.
    let turn = past::turn().await?;
    let built = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        SpaceDoc::json_of(&update)
    });
    let json = match built.await {
        Ok(Ok(json)) => json,
        Ok(Err(refused)) => return Err(broken(&refused)),
        Err(panicked) => return Err(broken(&panicked)),
    };
    Ok((json, seq))
}

fn broken(why: &dyn std::fmt::Display) -> Problem {
    Problem {
        cause: Some(why.to_string()),
        ..Problem::new(Code::Internal, "The document could not be read.")
    }
}

/// What the Accept header prefers; JSON when it does not care.
fn form(headers: &HeaderMap) -> Option<Form> {
    let accept = accepted(headers);
    if accept.is_empty() {
        return Some(Form::Json);
    }
    let (json, update) = (quality(&accept, JSON), quality(&accept, UPDATE));
    if update > json {
        return Some(Form::Update);
    }
    (json > 0.0).then_some(Form::Json)
}

/// The ranges of the Accept header.
pub fn accepted(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect()
}

/// The weight of the most specific range that fits (RFC 9110 §12.5.1).
pub fn quality(accept: &[&str], kind: &str) -> f32 {
    let mut best = (0, 0.0);
    for range in accept {
        let mut parts = range.split(';').map(str::trim);
        let specific = match parts.next().unwrap_or_default() {
            "*/*" => 1,
            range
                if range
                    .strip_suffix("/*")
                    .is_some_and(|of| kind.split('/').next() == Some(of)) =>
            {
                2
            }
            exact if exact.eq_ignore_ascii_case(kind) => 3,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if specific > best.0 {
            best = (specific, weight);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_chooses_the_form() {
        let chosen = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            form(&headers)
        };
        assert_eq!(form(&HeaderMap::new()), Some(Form::Json));
        for json in [
            "*/*",
            "application/json",
            "application/*",
            "text/html, */*;q=0.1",
            "application/octet-stream;q=0.5, application/json",
            "application/octet-stream, application/json",
            "application/octet-stream;q=0, */*",
        ] {
            assert_eq!(chosen(json), Some(Form::Json), "{json}");
        }
        for update in [
            "application/octet-stream",
            "application/octet-stream, */*;q=0.5",
            "application/json;q=0.1, application/octet-stream",
            "Application/Octet-Stream",
        ] {
            assert_eq!(chosen(update), Some(Form::Update), "{update}");
        }
        for neither in ["text/html", "image/*", "application/json;q=0"] {
            assert_eq!(chosen(neither), None, "{neither}");
        }
    }
}
