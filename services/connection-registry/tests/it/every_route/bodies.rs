//! Bodies: every member of every example set to what it must not be, or left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Effects, Route, check, effects, known_codes, with_body};
use crate::app::{Answer, App, On, SECRET};

/// Every place of a document below its root, as a pointer.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    let mut add = |name: String, member: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        found.push(format!("{here}/{name}"));
        places(member, &format!("{here}/{name}"), found);
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                add(name.clone(), member);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                add(at.to_string(), item);
            }
        }
        _ => {}
    }
}

fn with(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn without(body: &Value, pointer: &str) -> Option<Value> {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent)?.as_object_mut()?;
    parent.remove(name).map(|_| body)
}

/// Values of every type, and texts that mean something to a database, a browser, a shell or a terminal.
fn odd_values() -> Vec<Value> {
    let mut values = vec![
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"a": {"b": 1}}),
        json!(vec![0; 10_000]),
    ];
    let numbers = "-1 0 1 2147483648 9007199254740993 18446744073709551616 1e309 -1e309 0.5 \
        1e-400 123456789012345678901234567890.123";
    values.extend(
        numbers
            .split_whitespace()
            .map(|number| serde_json::from_str::<Value>(number).unwrap()),
    );
    let texts = [
        "",
        " ",
        "1",
        "-1",
        "null",
        "\u{0}",
        "a\u{1}b",
        "a\r\nSet-Cookie: x=1",
        "\u{202e}txt.exe",
        "😀",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "' OR 1=1; DROP TABLE tokens; --",
        "../../etc/passwd",
        "$(reboot)",
        "a.*.>",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2026-11-22T06:30:00",
        "2026-06-30T23:59:60Z",
        "2026-02-31T00:00:00Z",
        "file:///etc/passwd",
        "http://user:pass@169.254.169.254/latest",
        SECRET,
    ];
    values.extend(texts.map(Value::from));
    values.push("x".repeat(100_000).into());
    values
}

struct Judge {
    app: App,
    codes: BTreeSet<String>,
    connection: String,
    before: Effects,
    refused: usize,
}

impl Judge {
    async fn start() -> Self {
        let app = App::start(On::Sqlite).await;
        let connection = app.active("A").await;
        let codes = known_codes(&app).await;
        let before = effects(&app).await;
        Self {
            app,
            codes,
            connection,
            before,
            refused: 0,
        }
    }

    /// Sends a body; what is refused must have had no effect.
    async fn send(&mut self, route: &Route, body: String, case: &str) -> Answer {
        let path = route.path(&self.connection);
        let request = self
            .app
            .admin
            .request(route.method.clone(), &path)
            .header("content-type", &route.content_type)
            .body(body);
        let answer = self.app.admin.send(request).await;
        check(&answer, &self.codes, case);
        let now = effects(&self.app).await;
        if answer.status.is_success() {
            self.before = now;
        } else {
            assert_eq!(now, self.before, "{case} was refused and had an effect");
            self.refused += 1;
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_of_every_body_may_hold_anything_and_nothing_fails() {
    let mut judge = Judge::start().await;
    for (route, example) in with_body() {
        let mut members = Vec::new();
        places(&example, "", &mut members);
        assert!(!members.is_empty(), "{}", route.name());
        for member in members {
            for odd in odd_values() {
                let shown: String = odd.to_string().chars().take(60).collect();
                let case = format!("{} {member} = {shown}", route.name());
                let body = with(&example, &member, odd).to_string();
                judge.send(&route, body, &case).await;
            }
        }
    }
    assert!(judge.refused > 1_000, "{} refused", judge.refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_missing_unknown_or_there_twice_is_pointed_to_everywhere() {
    let mut judge = Judge::start().await;
    for (route, example) in with_body() {
        let mut members = Vec::new();
        places(&example, "", &mut members);
        for member in &members {
            let case = format!("{} without {member}", route.name());
            if let Some(body) = without(&example, member) {
                let answer = judge.send(&route, body.to_string(), &case).await;
                for (pointer, code) in answer.errors() {
                    if code.ends_with("member_missing") || code == "member.missing" {
                        assert_eq!(&pointer, member, "{case}");
                    }
                }
            }
        }

        let twice = repeated(example.as_object().unwrap());
        let case = format!("{} with a member twice", route.name());
        let answer = judge.send(&route, twice.0, &case).await;
        let expected = (format!("/{}", twice.1), "member.twice".to_owned());
        assert_eq!(answer.errors(), [expected], "{case}");

        // An event may have members of a later release; our own bodies may not.
        if route.template == "/v1/events" {
            continue;
        }
        let mut unknown = example.clone();
        unknown["nonsense"] = json!(SECRET);
        let case = format!("{} with an unknown member", route.name());
        let answer = judge.send(&route, unknown.to_string(), &case).await;
        let expected = ("/nonsense".to_owned(), "member.unknown".to_owned());
        assert!(answer.errors().contains(&expected), "{case}: {answer:?}");
    }
}

/// The object with its first member once more, and the name of that member.
fn repeated(members: &Map<String, Value>) -> (String, String) {
    let (name, value) = members.iter().next().unwrap();
    let whole = Value::Object(members.clone()).to_string();
    let rest = whole.strip_prefix('{').unwrap();
    (format!("{{{}:{value},{rest}", json!(name)), name.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_are_no_utf_8_or_too_deep_or_packed_are_refused_everywhere() {
    let app = App::start(On::Sqlite).await;
    let id = app.active("A").await;
    let codes = known_codes(&app).await;
    let before = effects(&app).await;
    let bomb = packed(64 * 1024 * 1024);
    for (route, example) in with_body() {
        let text = example.to_string();
        let surrogate = text.replacen("\":\"", "\":\"\\ud800", 1);
        let latin = text.replacen("\":\"", "\":\"\u{1}", 1).into_bytes();
        let latin: Vec<u8> = latin
            .iter()
            .map(|b| if *b == 1 { 0xe8 } else { *b })
            .collect();
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
        let bodies = [
            ("lone surrogate", surrogate.into_bytes(), None),
            ("Latin-2", latin, None),
            ("deep", deep.into_bytes(), None),
            ("byte-order mark", marked, None),
            ("text behind", format!("{text} x").into_bytes(), None),
            ("not a number", b"{\"a\":NaN}".to_vec(), None),
            ("gzip bomb", bomb.clone(), Some("gzip")),
        ];
        for (what, body, encoding) in bodies {
            if !text.contains("\":\"") && (what == "lone surrogate" || what == "Latin-2") {
                continue;
            }
            let case = format!("{} {what}", route.name());
            let mut request = app
                .admin
                .request(route.method.clone(), &route.path(&id))
                .header("content-type", &route.content_type)
                .body(body);
            if let Some(encoding) = encoding {
                request = request.header("content-encoding", encoding);
            }
            let refused = app.admin.send(request).await;
            check(&refused, &codes, &case);
            assert_eq!(refused.code(), "request.not_json", "{case}: {refused:?}");
        }
    }
    assert_eq!(effects(&app).await, before);
}

/// So many blanks, packed.
fn packed(bytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; bytes]).unwrap();
    encoder.finish().unwrap()
}
