//! Answers of stores with noise around and in them: read, or named as what they are.

use serde_json::Value;
use serde_json::value::RawValue;
use storelink_fuzz::Target;
use storelink_outbound_http::lenient_json;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

#[test]
fn fuzz_lenient_json() {
    Target::new("fuzz_lenient_json", CORPUS)
        .seed(r#"[{"id":1,"total":"12.20","meta":[{"key":"a","value":null}]}]"#)
        .seed("<br />\n<b>Warning</b>: x in <b>/a.php</b> on line <b>1</b><br />\n{\"id\":7}")
        .seed("\u{feff}{\"a\":\"ž\"}")
        .seed("<!doctype html><html><body>Maintenance</body></html>")
        .seed("{\"a\":[1,2,3")
        .run(|input| {
            let raw = lenient_json::read::<Box<RawValue>>(input);
            if let Err(error) = &raw {
                assert!(!error.code().is_empty() && !error.remedy().is_empty());
                assert!(error.to_string().len() < 4_000, "{error}");
            }
            match lenient_json::read::<Value>(input) {
                Ok(read) => {
                    // What is read is a document of the answer and not something made of it.
                    let strict = serde_json::from_slice::<Value>(input);
                    if let Ok(strict) = strict {
                        assert_eq!(read.value, strict);
                    }
                    true
                }
                Err(error) => {
                    assert!(serde_json::from_slice::<Value>(input).is_err(), "{error}");
                    false
                }
            }
        });
}
