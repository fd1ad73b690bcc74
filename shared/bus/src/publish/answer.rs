//! The stream's answer to a publish.

use serde::Deserialize;

use super::{Attempt, PublishError, Published};

/// Store failed; the description tells which limit, if it was one.
const STORE_FAILED: u64 = 10_077;
/// Expected last sequence (10071), and its form for a subject without one (10164).
const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];
/// Larger than the stream's `max_msg_size`.
const MESSAGE_TOO_LARGE: u64 = 10_054;
/// Codes of a server that cannot answer now: no leader, starting, out of resources.
const TEMPORARY: [u64; 5] = [10_002, 10_008, 10_009, 10_023, 10_076];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    stream: String,
    #[serde(default, rename = "seq")]
    sequence: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    code: u64,
    #[serde(default, rename = "err_code")]
    error_code: u64,
    #[serde(default)]
    description: String,
}

impl Answer {
    pub(super) fn read(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_else(|error| Self {
            error: Some(Failure {
                code: 0,
                error_code: 0,
                description: format!("the answer is no acknowledgement: {error}"),
            }),
            ..Self::default()
        })
    }

    pub(super) fn into_attempt(self, subject: &str, size: usize) -> Attempt {
        match self.error {
            None => Attempt::Stored(Published {
                stream: self.stream,
                sequence: self.sequence,
                duplicate: self.duplicate,
            }),
            Some(failure) => failure.into_attempt(subject.to_owned(), size, self.stream),
        }
    }
}

impl Failure {
    fn into_attempt(self, subject: String, size: usize, stream: String) -> Attempt {
        let text = self.description;
        Attempt::Failed(match self.error_code {
            STORE_FAILED if text.contains("per subject") => PublishError::SubjectTaken { subject },
            STORE_FAILED if text.contains("maximum") => PublishError::Full { subject, text },
            code if WRONG_LAST_SEQUENCE.contains(&code) => {
                let found = text.rsplit(' ').next().and_then(|last| last.parse().ok());
                let error = PublishError::WrongLastSequence {
                    subject,
                    found,
                    text,
                };
                match found {
                    Some(sequence) => {
                        return Attempt::Conflict {
                            stream,
                            sequence,
                            error,
                        };
                    }
                    None => error,
                }
            }
            MESSAGE_TOO_LARGE => PublishError::TooLarge { subject, size },
            code if code == STORE_FAILED || TEMPORARY.contains(&code) || self.code == 503 => {
                return Attempt::Unanswered {
                    reason: text,
                    stream_missing: false,
                };
            }
            code => PublishError::Refused {
                subject,
                code,
                text,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: &str) -> Option<PublishError> {
        let answer =
            Answer::read(format!(r#"{{"error":{error},"stream":"S","seq":0}}"#).as_bytes());
        match answer.into_attempt("s.a", 7) {
            Attempt::Failed(error) | Attempt::Conflict { error, .. } => Some(error),
            Attempt::Stored(_) | Attempt::Unanswered { .. } => None,
        }
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_text() {
        let per_subject = r#"{"code":503,"err_code":10077,"description":"maximum messages per subject exceeded"}"#;
        let bytes = r#"{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}"#;
        let sequence = r#"{"code":400,"err_code":10071,"description":"wrong last sequence: 12"}"#;
        let large =
            r#"{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}"#;
        assert_eq!(failure(per_subject).unwrap().code(), "bus.subject_taken");
        assert_eq!(failure(bytes).unwrap().code(), "bus.stream_full");
        let Some(PublishError::WrongLastSequence { found, .. }) = failure(sequence) else {
            panic!("no sequence conflict")
        };
        assert_eq!(found, Some(12));
        assert_eq!(
            failure(large),
            Some(PublishError::TooLarge {
                subject: "s.a".into(),
                size: 7
            })
        );
    }

    #[test]
    fn a_disk_error_or_a_missing_leader_is_tried_again() {
        for error in [
            r#"{"code":503,"err_code":10077,"description":"no space left on device"}"#,
            r#"{"code":503,"err_code":10008,"description":"temporarily unavailable"}"#,
        ] {
            assert_eq!(failure(error), None, "{error}");
        }
    }

    #[test]
    fn an_answer_that_is_no_acknowledgement_is_an_error() {
        let attempt = Answer::read(b"<html>").into_attempt("s.a", 1);
        assert!(matches!(
            attempt,
            Attempt::Failed(PublishError::Refused { code: 0, .. })
        ));
    }
}
