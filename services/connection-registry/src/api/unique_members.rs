//! Refuses JSON in which an object names a member twice: readers differ in which one counts.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::Track;

use super::json::pointer;

/// Why a text is not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// It is no JSON.
    NoJson(serde_json::Error),
    /// The member at this JSON pointer stands there twice.
    Twice(String),
}

/// Reads through a whole text.
///
/// # Errors
/// When it is no JSON, or a member stands there twice.
pub(crate) fn check(bytes: &[u8]) -> Result<(), NotTaken> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    match Unique.deserialize(tracked) {
        Ok(()) => deserializer.end().map_err(NotTaken::NoJson),
        Err(error) if error.is_data() => Err(NotTaken::Twice(pointer(&track.path()))),
        Err(error) => Err(NotTaken::NoJson(error)),
    }
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                // Refused as its value, so that the path leads to the member.
                members.next_value_seed(Twice)?;
            }
            members.next_value_seed(Self)?;
            names.insert(name);
        }
        Ok(())
    }
}

struct Twice;

impl<'de> DeserializeSeed<'de> for Twice {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("an object names one of its members twice"))
    }
}

#[cfg(test)]
mod tests {
    use super::{NotTaken, check};

    #[test]
    fn a_member_named_twice_is_found_at_any_depth() {
        for good in [
            "1",
            "1e309",
            "[1,null,true,\"a\"]",
            r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#,
        ] {
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, at) in [
            (r#"{"a":1,"a":1}"#, "/a"),
            (r#"[{"b/c":{"a":1,"\u0061":[]}}]"#, "/0/b~1c/a"),
        ] {
            match check(bad.as_bytes()) {
                Err(NotTaken::Twice(pointer)) => assert_eq!(pointer, at),
                other => panic!("{bad}: {other:?}"),
            }
        }
        for bad in ["{} {}", "", "{", "1e", "\"\u{1}\""] {
            let refused = check(bad.as_bytes());
            assert!(matches!(refused, Err(NotTaken::NoJson(_))), "{bad}");
        }
    }
}
