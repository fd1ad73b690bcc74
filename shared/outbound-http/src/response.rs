//! What came back, whole.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// An answer of any status: a redirect or an error status is an answer, not a failure.
#[derive(Clone)]
pub struct Response {
    /// Status line.
    pub status: StatusCode,
    /// Headers, names in any case.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// From the start of the call until the last byte.
    pub elapsed: Duration,
    /// When the headers had arrived, by our clock, UTC.
    pub received_at: OffsetDateTime,
}

impl Response {
    /// An answer made up by a test or read from a recording.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers,
            body: body.into(),
            elapsed: Duration::ZERO,
            received_at: OffsetDateTime::now_utc(),
        }
    }

    /// First value of a header as text; the name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The server's clock when it answered (`Date` header), UTC.
    #[must_use]
    pub fn date(&self) -> Option<OffsetDateTime> {
        parse_http_date(self.headers.get(DATE)?.to_str().ok()?)
    }

    /// How far the server's clock is ahead of ours, by the `Date` header (whole seconds).
    #[must_use]
    pub fn clock_difference(&self) -> Option<time::Duration> {
        Some(self.date()? - self.received_at)
    }

    /// How long the server asks to wait (`Retry-After`, as seconds or as a date, RFC 9110
    /// section 10.2.3). A date is measured against the server's own clock where it tells it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let until = parse_http_date(text)? - self.date().unwrap_or(self.received_at);
        Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
    }

    /// Media type in lower case without parameters, such as `application/json`.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let text = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = text.split(';').next().unwrap_or_default().trim();
        (!media_type.is_empty()).then(|| media_type.to_ascii_lowercase())
    }

    /// Whether the body is a page for people: judged by the body first, since error pages are
    /// often sent with the content type of the interface.
    #[must_use]
    pub fn looks_like_html(&self) -> bool {
        if crate::lenient_json::is_html_page(&self.body) {
            return true;
        }
        let declared = matches!(
            self.content_type().as_deref(),
            Some("text/html" | "application/xhtml+xml")
        );
        let starts_as_json = self
            .body
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| matches!(byte, b'{' | b'['));
        declared && !starts_as_json
    }
}

/// All three date forms of RFC 9110 end in GMT; the preferred one is read, the two that died in
/// the nineties are not.
fn parse_http_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc2822).ok()
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("status", &self.status)
            .field("content_type", &self.content_type())
            .field("body_bytes", &self.body.len())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn answer(headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        Response::new(StatusCode::OK, headers, body)
    }

    #[test]
    fn the_date_header_gives_the_servers_clock() {
        let response = answer(&[("date", "Sun, 22 Nov 2026 04:43:10 GMT")], "");
        assert_eq!(
            response.date().unwrap(),
            time::macros::datetime!(2026-11-22 04:43:10 UTC)
        );
        assert_eq!(answer(&[("date", "yesterday")], "").date(), None);
        assert_eq!(answer(&[], "").clock_difference(), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let date = ("date", "Sun, 22 Nov 2026 04:43:10 GMT");
        assert_eq!(
            answer(&[("retry-after", "600")], "")
                .retry_after()
                .unwrap()
                .as_secs(),
            600
        );
        let later = ("retry-after", "Sun, 22 Nov 2026 04:44:10 GMT");
        assert_eq!(
            answer(&[date, later], "").retry_after().unwrap().as_secs(),
            60
        );
        let past = ("retry-after", "Sun, 22 Nov 2026 04:00:00 GMT");
        assert_eq!(
            answer(&[date, past], "").retry_after(),
            Some(Duration::ZERO)
        );
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(
                answer(&[("retry-after", nonsense)], "").retry_after(),
                None,
                "{nonsense}"
            );
        }
    }

    #[test]
    fn header_names_in_any_case_and_media_type_without_parameters() {
        let response = answer(&[("content-type", "Application/JSON; charset=UTF-8")], "{}");
        assert_eq!(
            response.header("Content-TYPE"),
            Some("Application/JSON; charset=UTF-8")
        );
        assert_eq!(response.content_type().as_deref(), Some("application/json"));
    }

    #[test]
    fn html_is_told_by_the_body_and_json_by_its_start() {
        let json_type = [("content-type", "application/json")];
        let html_type = [("content-type", "text/html; charset=UTF-8")];
        assert!(answer(&json_type, " <!DOCTYPE html><p>x").looks_like_html());
        assert!(answer(&html_type, "Service unavailable").looks_like_html());
        assert!(!answer(&html_type, "{\"a\":1}").looks_like_html());
        assert!(!answer(&json_type, "<br />\n<b>Warning</b>: x {\"a\":1}").looks_like_html());
    }
}
