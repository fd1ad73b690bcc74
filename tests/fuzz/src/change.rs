//! How inputs are made from others.

use rand::rngs::StdRng;
use rand::{Rng as _, seq::IndexedRandom as _};
use serde_json::Value;

/// Members and values that parsers of JSON, decimals, times and codes stumble over.
const ODD: [&str; 58] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "0",
    "-0",
    "-1",
    "1e400",
    "1E-400",
    "0.1e+1",
    "1.",
    "01",
    "2147483648",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890.123456789012345678901234567890",
    "\"1e5\"",
    "\"-0.00\"",
    "\" 1\"",
    "\"1,5\"",
    "\"1.234.567\"",
    "\"NaN\"",
    "\"Infinity\"",
    "NaN",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u202e\"",
    "\"😀\"",
    "\"a\\r\\nb\"",
    "\"~0~1/\"",
    "\"..\"",
    "\"*\"",
    "\">\"",
    "\"=h\"",
    "\"%00\"",
    "\"0000-00-00T00:00:00\"",
    "\"9999-12-31T23:59:59-23:59\"",
    "\"2026-02-31T00:00:00Z\"",
    "\"2026-06-30T23:59:60Z\"",
    "\"2026-10-25T02:30:00\"",
    "\"2026-03-29T02:30:00\"",
    "\"-0001-01-01T00:00:00Z\"",
    "\"2026-11-22T06:30:00.999999999+14:00\"",
    "\"Europe/Ljubljana\"",
    "\"UTC+25:99\"",
    "\"<script>\"",
    "\"' OR 1=1\"",
    "\"EUR\"",
    "\"yes\"",
    "\"1\"",
    "1",
    "false",
    "[[[[[[[[]]]]]]]]",
    "{\"\":{\"\":{}}}",
];
/// Bytes that mean something to parsers of text.
const PIECES: [&[u8]; 20] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\",
    b"\\u",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"-",
    b".",
    b"e",
    b"\n",
    b"=",
    b"/",
    b"<b>Warning</b>: x in <b>/a.php</b><br />\n",
];

/// A new input from one that is known, and parts of another.
pub(crate) fn changed(random: &mut StdRng, one: &[u8], other: &[u8], longest: usize) -> Vec<u8> {
    let mut made = match random.random_range(0..10) {
        0 => from_nothing(random),
        1..=5 => match serde_json::from_slice::<Value>(one) {
            Ok(value) => changed_json(random, value, other),
            Err(_) => one.to_vec(),
        },
        _ => one.to_vec(),
    };
    let as_json = made.as_slice() != one;
    let rounds = if as_json && random.random_bool(0.7) {
        0
    } else {
        random.random_range(1..=4)
    };
    for _ in 0..rounds {
        change_bytes(random, &mut made, other);
    }
    made.truncate(longest);
    made
}

fn from_nothing(random: &mut StdRng) -> Vec<u8> {
    let parts = random.random_range(0..40);
    let mut made = Vec::new();
    for _ in 0..parts {
        match random.random_range(0..3) {
            0 => made.extend_from_slice(ODD.choose(random).map_or(b"", |odd| odd.as_bytes())),
            1 => made.extend_from_slice(PIECES.choose(random).copied().unwrap_or_default()),
            _ => made.push(random.random()),
        }
    }
    made
}

fn change_bytes(random: &mut StdRng, made: &mut Vec<u8>, other: &[u8]) {
    let from = random.random_range(0..=made.len());
    let until = made.len().min(from + random.random_range(0..=16));
    match random.random_range(0..7) {
        0 => {
            made.drain(from..until);
        }
        1 => {
            let again = made.get(from..until).unwrap_or_default().to_vec();
            made.splice(from..from, again);
        }
        2 => {
            if let Some(byte) = made.get_mut(from) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        3 => made.truncate(from),
        4 => {
            let piece = PIECES.choose(random).copied().unwrap_or_default();
            made.splice(from..from, piece.iter().copied());
        }
        5 => {
            let odd = ODD.choose(random).map_or("", |odd| *odd);
            made.splice(from..until, odd.trim_matches('"').bytes());
        }
        _ => {
            let start = random.random_range(0..=other.len());
            let end = other.len().min(start + random.random_range(0..=64));
            let part = other.get(start..end).unwrap_or_default().to_vec();
            made.splice(from..until, part);
        }
    }
}

/// The text of a document in which one place holds something else. The text is put together by hand, so
/// that it may be what no writer of JSON writes: a member twice, a number beyond all bounds.
fn changed_json(random: &mut StdRng, mut value: Value, other: &[u8]) -> Vec<u8> {
    const MARK: &str = "~storelink~fuzz~";
    let mut places = 0;
    count(&value, &mut places);
    let wanted = random.random_range(0..places);
    let put = match random.random_range(0..8) {
        0..=3 => ODD.choose(random).map_or("", |odd| *odd).to_owned(),
        4 => {
            let depth = random.random_range(1..300);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        5 => format!("\"{}\"", "ž".repeat(random.random_range(0..3_000))),
        6 => match serde_json::from_slice::<Value>(other) {
            Ok(other) => other.to_string(),
            Err(_) => "0".to_owned(),
        },
        _ => random.random::<i64>().to_string(),
    };
    let how = random.random_range(0..4);
    let mut left = wanted;
    if let Some(place) = place(&mut value, &mut left) {
        match (how, place) {
            (0, Value::Object(members)) => {
                let name = members.keys().nth(random.random_range(0..=members.len()));
                if let Some(name) = name.cloned() {
                    members.remove(&name);
                }
            }
            (1, Value::Object(members)) => {
                members.insert(MARK.to_owned(), Value::Null);
            }
            (1, Value::Array(items)) => {
                let again = items.first().cloned().unwrap_or_default();
                items.extend(vec![again; random.random_range(1..20)]);
            }
            (_, place) => *place = MARK.into(),
        }
    }
    let text = value.to_string();
    let twice = format!("\"{MARK}\":null");
    if text.contains(&twice) {
        let name = ["id", "sku", "type", "data", "items", "total", "unknown"];
        let name = name.choose(random).map_or("id", |name| *name);
        return text
            .replace(&twice, &format!("\"{name}\":{put}"))
            .into_bytes();
    }
    text.replace(&format!("\"{MARK}\""), &put).into_bytes()
}

fn count(value: &Value, places: &mut usize) {
    *places += 1;
    match value {
        Value::Object(members) => members.values().for_each(|member| count(member, places)),
        Value::Array(items) => items.iter().for_each(|item| count(item, places)),
        _ => {}
    }
}

/// The place with this number, in the order of [`count`].
fn place<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(members) => members.values_mut().find_map(|member| place(member, left)),
        Value::Array(items) => items.iter_mut().find_map(|item| place(item, left)),
        _ => None,
    }
}

/// Every text that is this document with one thing less: without a member or an item, or with a part in
/// the place of the whole that it belongs to. Made one by one, since most of them are not looked at.
pub(crate) fn simpler(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let value = serde_json::from_slice::<Value>(input).unwrap_or_default();
    let mut parts = Vec::new();
    parts_of(&value, &mut parts);
    let steps = parts.into_iter().enumerate();
    let steps = steps.flat_map(|(at, parts)| (0..parts).map(move |part| (at, part)));
    steps.flat_map(move |(at, part)| {
        [without(&value, at, part), lifted(&value, at, part)]
            .into_iter()
            .flatten()
    })
}

/// How many members or items each place has, in the order of [`count`].
fn parts_of(value: &Value, parts: &mut Vec<usize>) {
    match value {
        Value::Object(members) => {
            parts.push(members.len());
            members.values().for_each(|member| parts_of(member, parts));
        }
        Value::Array(items) => {
            parts.push(items.len());
            items.iter().for_each(|item| parts_of(item, parts));
        }
        _ => parts.push(0),
    }
}

fn without(value: &Value, mut at: usize, part: usize) -> Option<Vec<u8>> {
    let mut value = value.clone();
    match place(&mut value, &mut at)? {
        Value::Object(members) => {
            let name = members.keys().nth(part)?.clone();
            members.remove(&name);
        }
        Value::Array(items) if part < items.len() => {
            items.remove(part);
        }
        _ => return None,
    }
    Some(value.to_string().into_bytes())
}

fn lifted(value: &Value, mut at: usize, part: usize) -> Option<Vec<u8>> {
    let mut value = value.clone();
    let whole = place(&mut value, &mut at)?;
    let part = match whole {
        Value::Object(members) => members.values().nth(part)?.clone(),
        Value::Array(items) => items.get(part)?.clone(),
        _ => return None,
    };
    *whole = part;
    Some(value.to_string().into_bytes())
}
