//! Reads the recordings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use serde_json::Value;
use storelink_simulators::Request;

/// One recorded exchange.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    /// The number with its letter: `124b`.
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) secure: bool,
    pub(crate) store: String,
    pub(crate) request: Request,
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Recording {
    /// Whether it was made with the older store.
    pub(crate) fn is_old_store(&self) -> bool {
        self.store.contains("7.9.0")
    }
}

/// The folder of the recordings.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../recordings/woocommerce")
}

/// All exchanges by number.
pub(crate) fn all() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(read_all);
    &ALL
}

fn read_all() -> Vec<Recording> {
    let mut found: Vec<Recording> = std::fs::read_dir(folder())
        .expect("recordings are there")
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            !path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("00-")
        })
        .map(|path| read(&path))
        .collect();
    found.sort_by_key(|recording| {
        let digits = recording
            .number
            .trim_end_matches(|c: char| c.is_alphabetic());
        (digits.parse::<u32>().unwrap(), recording.number.clone())
    });
    found
}

/// One exchange by its number.
pub(crate) fn one(number: &str) -> &'static Recording {
    all()
        .iter()
        .find(|recording| recording.number == number)
        .expect("known number")
}

/// The body of an exchange as JSON.
pub(crate) fn body(number: &str) -> Value {
    serde_json::from_str(&one(number).body).expect("JSON body")
}

/// The OAuth vectors.
pub(crate) fn vectors() -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("00-oauth-vectors.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

/// Key and secret of a recording's Basic header.
pub(crate) fn basic_pair(number: &str) -> (String, String) {
    let recording = one(number);
    let header = recording
        .request
        .header("authorization")
        .expect("has a Basic header")
        .to_owned();
    let encoded = header.strip_prefix("Basic ").unwrap();
    let text = String::from_utf8(
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap(),
    );
    let (key, secret) = text.as_ref().unwrap().split_once(':').unwrap();
    (key.to_owned(), secret.to_owned())
}

fn read(path: &std::path::Path) -> Recording {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let request = &file["request"];
    let headers = request["headers"].as_object().unwrap();
    let response = &file["response"];
    Recording {
        number: name.split('-').next().unwrap().to_owned(),
        name,
        secure: file["scheme"] == "https",
        store: text(&file["store"]),
        request: Request {
            method: text(&request["method"]),
            path: text(&request["path"]),
            query: text(&request["query"]),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_lowercase(), text(value)))
                .filter(|(name, _)| name != "content-length")
                .collect(),
            body: text(&request["body"]).into(),
        },
        status: u16::try_from(response["status"].as_u64().unwrap_or(0)).unwrap(),
        headers: response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_lowercase(), text(value)))
            .collect(),
        body: text(&response["body"]),
    }
}
