//! Recorded exchanges with real stores.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::rig::Reply;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recording {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) direction: Option<String>,
    pub(crate) request: RecordedRequest,
    #[serde(default)]
    pub(crate) response: Option<RecordedResponse>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedRequest {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) body: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedResponse {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: serde_json::Map<String, Value>,
    #[serde(default)]
    pub(crate) body: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/woocommerce")
}

/// The names of all recordings, without the vectors of signatures, which the outgoing client proves.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    names
}

pub(crate) fn load(name: &str) -> Recording {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no recording {name}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Recording {
    pub(crate) fn response(&self) -> &RecordedResponse {
        self.response
            .as_ref()
            .unwrap_or_else(|| panic!("{} has no answer", self.name))
    }

    /// The recorded answer as a server sends it. What belongs to one connection is left off, and so
    /// is the clock of the day of the recording.
    pub(crate) fn reply(&self) -> Reply {
        const OF_THE_CONNECTION: [&str; 5] = [
            "transfer-encoding",
            "connection",
            "content-length",
            "content-encoding",
            "date",
        ];
        let response = self.response();
        let headers = response.headers.iter().filter_map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let kept = !OF_THE_CONNECTION.contains(&lower.as_str());
            kept.then(|| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        });
        Reply {
            status: response.status,
            headers: headers.collect(),
            body: response.body.clone().into_bytes(),
        }
    }

    /// The recorded body with something around it, for an answer that is a part of another one.
    pub(crate) fn wrapped(&self, before: &str, after: &str) -> Reply {
        let reply = self.reply();
        let body = [before.as_bytes(), &reply.body, after.as_bytes()].concat();
        Reply { body, ..reply }
    }

    /// A member of the recorded request's JSON body.
    pub(crate) fn sent(&self) -> Value {
        serde_json::from_str(&self.request.body).unwrap_or(Value::Null)
    }
}
