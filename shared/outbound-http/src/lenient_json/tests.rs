use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

fn value(body: &[u8]) -> Result<Read<Value>, NotUnderstood> {
    read(body)
}

#[test]
fn clean_documents_of_any_kind_are_read_without_remark() {
    for text in [
        "{}",
        "[]",
        " {\"a\": [1, \"}\"]}\r\n",
        "null",
        "true",
        "-1.50",
        "\"<html>\"",
    ] {
        let read = value(text.as_bytes()).unwrap();
        assert_eq!(
            read.value,
            serde_json::from_str::<Value>(text).unwrap(),
            "{text}"
        );
        assert!(read.noise.is_none() && !read.byte_order_mark, "{text}");
    }
}

#[test]
fn noise_is_cut_and_reported() {
    let document = json!({"id": 7, "sku": "A[1]{2}"});
    let cases: [(&str, Option<&str>, Option<&str>); 7] = [
        (
            "<br />\n<b>Warning</b>: x [0] in a.php\n@",
            Some("Warning : x [0] in a.php"),
            None,
        ),
        ("@<!-- cached -->\n", None, Some("")),
        (
            "Notice: y@ took 12 ms",
            Some("Notice: y"),
            Some("took 12 ms"),
        ),
        ("[notice] {font: 1} @", Some("[notice] {font: 1}"), None),
        ("Array([0] => 1)\n@", Some("Array([0] => 1)"), None),
        ("x {\"a\" @", Some("x {\"a\""), None),
        ("[2026-11-22 04:43:10] PHP Notice\n@", None, None),
    ];
    for (text, before, after) in cases {
        let body = text.replace('@', &document.to_string());
        let read = value(body.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.value, document, "{text}");
        let noise = read.noise.unwrap();
        if before.is_some() || after.is_some() {
            assert_eq!(noise.before.as_deref(), before, "{text}");
            assert_eq!(noise.after.as_deref(), after, "{text}");
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_noise_but_is_told() {
    for body in [&b"\xef\xbb\xbf[]"[..], b"\n\xef\xbb\xbf\xef\xbb\xbf []\n"] {
        let read = value(body).unwrap();
        assert_eq!(read.value, json!([]));
        assert!(read.byte_order_mark && read.noise.is_none());
    }
    assert!(
        value(b"\xef\xbb\xbfWarning: [1]\n[]")
            .unwrap()
            .noise
            .is_some()
    );
    assert_eq!(
        value(b"\xef\xbb\xbfWarning: [1]\n[]").unwrap().value,
        json!([])
    );
}

#[test]
fn what_is_not_understood_says_what_it_was() {
    for (body, code) in [
        ("", "answer.empty"),
        (" \r\n", "answer.empty"),
        ("\u{feff}", "answer.empty"),
        (
            "<!DOCTYPE html><html><body>Down</body></html>",
            "answer.html",
        ),
        (
            "<!doctype html><script>{\"a\":{\"b\":1}}</script>",
            "answer.html",
        ),
        ("<html><script type=x>{\"@context\":\"s\"", "answer.html"),
        (
            "Warning: x\n<!doctype html><script>{\"a\":{\"b\":1}}</script>",
            "answer.html",
        ),
        ("<p>Forbidden</p>", "answer.html"),
        ("<?xml version=\"1.0\"?><a/>", "answer.not_json"),
        (
            "Error establishing a database connection",
            "answer.not_json",
        ),
        ("{\"orders\":[{\"id\":1},{\"id\":2", "answer.truncated"),
        ("[", "answer.truncated"),
        ("Warning: x\n{\"orders\":[{\"id\":1},", "answer.truncated"),
        ("{'a': 1}", "answer.not_json"),
    ] {
        assert_eq!(value(body.as_bytes()).unwrap_err().code(), code, "{body}");
    }
}

#[test]
fn a_piece_of_a_broken_document_never_passes_for_the_document() {
    for body in [
        r#"{"a":1, Warning {"b":{"long":"long enough to be the longest"}}}"#,
        r#"[{"id":1}, <b>Warning</b> {"id":2,"name":"much longer than before"}]"#,
        r#"{"orders":[{"id":1},{"id":2}"#,
        r#"{"id":1},{"id":2}"#,
        r#"{"a":01,"b":[{"c":1}]}"#,
    ] {
        assert!(value(body.as_bytes()).is_err(), "{body}");
    }
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only its shape is used")]
struct Order {
    id: u64,
    line_items: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only its shape is used")]
struct Line {
    quantity: u32,
}

#[test]
fn a_wrong_shape_names_the_place_but_not_the_value() {
    let body = br#"{"id":1,"line_items":[{"quantity":1},{"quantity":"Ana \"A\" Novak"}]}"#;
    let error = read::<Order>(body).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer has another shape than expected at line_items[1].quantity: invalid type: \
         string \"…\", expected u32 at line 1 column 66"
    );
    let error = read::<Order>(b"[]").unwrap_err();
    assert_eq!(error.code(), "answer.wrong_shape");
}

#[test]
fn masses_of_small_values_are_refused_before_they_are_read() {
    let many = format!("[{}{{}}]", "{},".repeat(5_000_000));
    assert_eq!(
        value(many.as_bytes()).unwrap_err().code(),
        "answer.too_many_parts"
    );
    let some = format!("[{}0]", "0,".repeat(400_000));
    assert!(value(some.as_bytes()).is_ok());
}

#[test]
fn depth_and_size_of_hostile_answers_do_no_harm() {
    let deep = "[".repeat(100_000);
    assert!(value(deep.as_bytes()).is_err());
    let closed = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(value(closed.as_bytes()).is_err());
    let scraps = "{\"a\" ".repeat(200_000);
    assert!(value(scraps.as_bytes()).is_err());
    let blanks = format!("{}x", "[ ".repeat(10_000));
    assert!(value(blanks.as_bytes()).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[{}\\[\\]\":,<>\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = value(&body);
    }

    #[test]
    fn any_json_like_text_is_survived(body in "[{}\\[\\]\":,0-9a-z<> \\n\\\\-]{0,60}") {
        let _ = value(body.as_bytes());
    }

    #[test]
    fn clean_json_is_never_called_noisy(document in any_json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{document:#}\n") } else { document.to_string() };
        let read = value(text.as_bytes()).unwrap();
        prop_assert_eq!(read.noise, None);
        prop_assert_eq!(read.value, document);
    }

    #[test]
    fn a_document_behind_plain_noise_is_found_whole(
        members in prop::collection::hash_map("[a-z]{3,9}", any_json(), 1..4),
        before in "[A-Za-z0-9 :.()/=>]{1,40}\n",
        after in "(\n[A-Za-z0-9 .()/]{0,40})?",
    ) {
        let document = Value::Object(members.into_iter().collect());
        let read = value(format!("{before}{document}{after}").as_bytes()).unwrap();
        prop_assert_eq!(read.value, document);
    }

    #[test]
    fn a_cut_document_is_never_taken_for_a_whole_one(
        members in prop::collection::hash_map("[a-z]{3,9}", any_json(), 1..5),
        share in 0_usize..100,
    ) {
        let text = Value::Object(members.into_iter().collect()).to_string();
        let cut = text.len() * share / 100;
        let cut = (0..=cut).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        prop_assert!(value(&text.as_bytes()[..cut]).is_err());
    }
}
