//! Bodies: JSON only, of bounded size, each member once, and errors that point to their place.

use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use storelink_events::wording::without_value;

use super::unique_members::{self, NotTaken};
use crate::connections::fields::escape;
use crate::problem::{Answer, FieldError, Problem, catalogue};

/// The largest body.
pub(crate) const LARGEST_BODY: usize = 1024 * 1024;
/// A whole body arrives within this time,
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// and each part of it within this.
const PART_WITHIN: Duration = Duration::from_secs(5);
const LONGEST_POINTER: usize = 500;
const MOST_DROPPED: usize = 16 * LARGEST_BODY;
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A JSON body that must be there.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body that may be absent: then all its members have their defaults.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        check_content_type(request.headers())?;
        read(&bytes(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        let typed = check_content_type(request.headers());
        let bytes = bytes(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        read(&bytes).map(Self)
    }
}

/// The whole body, unless it is too large.
pub(crate) async fn bytes(request: Request) -> Answer<Bytes> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut stream = request.into_body().into_data_stream();
    if announced.is_some_and(|length| length > LARGEST_BODY) {
        return Err(too_large(&mut stream).await);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
    let until = Instant::now() + BODY_WITHIN;
    while let Some(part) = next_part(&mut stream, until).await? {
        let part = part.map_err(|_| {
            Problem::new(catalogue::NOT_JSON).detail("the body ended before its announced length")
        })?;
        if body.len() + part.len() > LARGEST_BODY {
            return Err(too_large(&mut stream).await);
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// The next part of a body. Who sends it byte by byte does not hold a place for long.
async fn next_part(
    stream: &mut BodyDataStream,
    until: Instant,
) -> Answer<Option<Result<Bytes, axum::Error>>> {
    let until = until.min(Instant::now() + PART_WITHIN);
    timeout_at(until, stream.next())
        .await
        .map_err(|_| Problem::new(catalogue::BODY_TOO_SLOW))
}

/// A caller that is still sending does not see an answer: a part of the rest is read and dropped.
async fn too_large(stream: &mut BodyDataStream) -> Problem {
    let mut dropped = 0;
    let until = Instant::now() + PART_WITHIN;
    while let Ok(Some(Ok(part))) = timeout_at(until, stream.next()).await {
        dropped += part.len();
        if dropped > MOST_DROPPED {
            break;
        }
    }
    Problem::new(catalogue::BODY_TOO_LARGE)
}

/// Refuses what does not call itself JSON in UTF-8.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Answer<()> {
    let refused = || Problem::new(catalogue::CONTENT_TYPE);
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = text.ok_or_else(refused)?.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    if kind != JSON && kind != MERGE_PATCH {
        return Err(refused());
    }
    let other_charset = parts.any(|part| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    });
    if other_charset {
        Err(refused())
    } else {
        Ok(())
    }
}

/// Reads a whole body, which must be an object.
///
/// # Errors
/// [`catalogue::NOT_JSON`], or [`catalogue::INVALID`] with a pointer.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    if bytes.is_empty() {
        return Err(Problem::new(catalogue::NOT_JSON).detail("there is no body"));
    }
    check_unique(bytes)?;
    check_object(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(invalid)
}

/// Refuses another value than an object: a list would be taken for the members in their order.
pub(crate) fn check_object(bytes: &[u8]) -> Answer<()> {
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return Ok(());
    }
    Err(Problem::member(
        "",
        "member.invalid",
        "it must be an object",
    ))
}

/// Refuses what is no JSON, and an object that names a member twice.
pub(crate) fn check_unique(bytes: &[u8]) -> Answer<()> {
    unique_members::check(bytes).map_err(|refused| match refused {
        NotTaken::NoJson(error) => Problem::new(catalogue::NOT_JSON).detail(error.to_string()),
        NotTaken::Twice(pointer) => {
            let error = FieldError::new(pointer, "member.twice", "the member stands there twice");
            Problem::new(catalogue::NOT_JSON).errors(vec![error])
        }
    })
}

fn invalid(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let mut pointer = pointer(error.path());
    let inner = error.into_inner();
    let text = inner.to_string();
    let text = without_value(text.split(" at line ").next().unwrap_or(&text));
    let quoted = |prefix: &str| text.strip_prefix(prefix)?.split('`').next();
    let (code, member) = if let Some(member) = quoted("unknown field `") {
        ("member.unknown", Some(member))
    } else if let Some(member) = quoted("missing field `") {
        ("member.missing", Some(member))
    } else {
        ("member.invalid", None)
    };
    if let Some(member) = member {
        let place = format!("/{}", escape(member));
        if !pointer.ends_with(&place) || code == "member.missing" {
            pointer.push_str(&place);
        }
    }
    Problem::new(catalogue::INVALID).errors(vec![FieldError::new(pointer, code, text.clone())])
}

pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment::{Enum, Map, Seq, Unknown};
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Seq { index } => format!("/{index}"),
            Map { key } => format!("/{}", escape(key)),
            Enum { .. } | Unknown => continue,
        };
        // Names of members are the caller's, and may be long: then it leads to what they are in.
        if pointer.len() + part.len() > LONGEST_POINTER {
            break;
        }
        pointer.push_str(&part);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        number: u8,
    }

    fn refusal(body: &[u8]) -> (&'static str, String) {
        let problem = read::<Sample>(body).unwrap_err();
        let place = problem
            .errors
            .first()
            .map(|error| format!("{} {}", error.pointer, error.code));
        (problem.kind.code, place.unwrap_or_default())
    }

    #[test]
    fn every_refusal_names_its_place() {
        for (body, code, place) in [
            ("", "request.not_json", ""),
            (
                r#"{"name":"a","inner":{"number":1,"number":2}}"#,
                "request.not_json",
                "/inner/number member.twice",
            ),
            ("{", "request.not_json", ""),
            ("<html>", "request.not_json", ""),
            (r#"{"name":"a"} x"#, "request.not_json", ""),
            (
                r#"{"name":"a","name":"b"}"#,
                "request.not_json",
                "/name member.twice",
            ),
            (r#"{"name":"\ud800"}"#, "request.not_json", ""),
            ("null", "request.invalid", " member.invalid"),
            ("[]", "request.invalid", " member.invalid"),
            (r#"["a"]"#, "request.invalid", " member.invalid"),
            ("{}", "request.invalid", "/name member.missing"),
            (r#"{"name":1}"#, "request.invalid", "/name member.invalid"),
            (
                r#"{"name":"a","other/x":1}"#,
                "request.invalid",
                "/other~1x member.unknown",
            ),
            (
                r#"{"name":"a","inner":{"number":256}}"#,
                "request.invalid",
                "/inner/number member.invalid",
            ),
            (
                r#"{"name":"a","inner":{"number":-1}}"#,
                "request.invalid",
                "/inner/number member.invalid",
            ),
            (
                r#"{"name":"a","inner":{"number":1e309}}"#,
                "request.invalid",
                "/inner/number member.invalid",
            ),
            (
                r#"{"name":"a","inner":{"number":"1"}}"#,
                "request.invalid",
                "/inner/number member.invalid",
            ),
            (
                r#"{"name":"a","inner":{}}"#,
                "request.invalid",
                "/inner/number member.missing",
            ),
            (
                r#"{"name":"a","inner":{"number":1,"x":2}}"#,
                "request.invalid",
                "/inner/x member.unknown",
            ),
        ] {
            let (found, at) = refusal(body.as_bytes());
            assert_eq!(found, code, "{body}");
            assert_eq!(at, place, "{body}");
        }
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(refusal(deep.as_bytes()).0, "request.not_json");
        assert_eq!(refusal(b"{\"name\":\"\xff\"}").0, "request.not_json");
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let words = |body: &[u8]| read::<Sample>(body).unwrap_err().errors[0].detail.clone();
        assert_eq!(
            words(br#"{"name":1}"#),
            "expected a string, found a whole number"
        );
        let number = words(br#"{"name":"a","inner":{"number":"x"}}"#);
        assert_eq!(
            number,
            "expected a whole number that is not below zero and not too large, found a string"
        );
        for body in [
            r#"{"name":{"secret":"s_123"}}"#,
            r#"{"name":"a","inner":"s_123, expected x"}"#,
            r#"{"name":"a","inner":{"number":"s_123"}}"#,
        ] {
            let problem = read::<Sample>(body.as_bytes()).unwrap_err();
            let detail = &problem.errors[0].detail;
            assert!(
                detail.starts_with("expected ") && !detail.contains("s_123"),
                "{detail}"
            );
        }
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            check_content_type(&headers).is_ok()
        };
        assert!(check("application/json"));
        assert!(check("Application/JSON; charset=UTF-8"));
        assert!(check("application/merge-patch+json"));
        for wrong in [
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
