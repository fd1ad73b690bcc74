//! Finding the one document in a noisy text, in linear time.

use serde::Deserialize as _;
use serde::de::IgnoredAny;
use serde_json::error::Category;

/// What a text holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'t> {
    /// Nothing but a JSON value.
    Clean(&'t [u8]),
    /// One object or array, with something around it.
    Noisy {
        before: &'t [u8],
        document: &'t [u8],
        after: &'t [u8],
    },
    /// Nothing at all.
    Empty,
    /// A document that ends in the middle.
    Truncated,
    /// No document, or one that is broken in the middle.
    Nothing,
}

/// A stretch of the text that begins like a document.
struct Stretch {
    start: usize,
    end: usize,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Whole,
    CutOff,
    Broken,
}

/// `text` has no byte order mark and no blanks around it.
pub(super) fn locate(text: &[u8]) -> Found<'_> {
    if text.is_empty() {
        return Found::Empty;
    }
    if serde_json::from_slice::<IgnoredAny>(text).is_ok() {
        return Found::Clean(text);
    }
    let Some(best) = longest(text) else {
        return Found::Nothing;
    };
    match best.verdict {
        Verdict::CutOff => Found::Truncated,
        Verdict::Broken => Found::Nothing,
        Verdict::Whole => around(text, &best),
    }
}

/// The longest stretch, whole or not: a shorter whole one may be a piece of it. Among equals, and
/// among scraps such as `[0]` in a message, one that begins a line is preferred.
fn longest(text: &[u8]) -> Option<Stretch> {
    let mut best: Option<(bool, Stretch)> = None;
    let mut position = 0;
    while let Some(start) = next_start(text, position) {
        let stretch = examine(text, start);
        // The byte that broke a stretch may itself begin the document.
        let next = stretch.end - usize::from(stretch.verdict == Verdict::Broken);
        position = next.max(start + 1);
        let leads = stretch.verdict == Verdict::Whole && begins_a_line(text, start);
        let better = best
            .as_ref()
            .is_none_or(|(other_leads, other)| rank(leads, &stretch) > rank(*other_leads, other));
        if better {
            best = Some((leads, stretch));
        }
    }
    best.map(|(_, stretch)| stretch)
}

fn rank(leads: bool, stretch: &Stretch) -> (usize, bool) {
    /// A shorter one is no document worth the name unless it begins a line.
    const SCRAP_BYTES: usize = 8;
    let length = stretch.end - stretch.start;
    (
        if length <= SCRAP_BYTES {
            usize::from(leads)
        } else {
            length
        },
        leads,
    )
}

/// A bracket that a document can begin with: what follows must fit too, so that `[notice]` and
/// `{font:…}` are passed over.
fn next_start(text: &[u8], from: usize) -> Option<usize> {
    (from..text.len()).find(|&position| {
        let follows = |bracket: usize| {
            let rest = text.get(bracket + 1..).unwrap_or_default();
            rest.iter()
                .find(|byte| !byte.is_ascii_whitespace())
                .copied()
        };
        match text.get(position) {
            Some(b'{') => matches!(follows(position), Some(b'"' | b'}') | None),
            Some(b'[') => matches!(
                follows(position),
                Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9') | None
            ),
            _ => false,
        }
    })
}

fn examine(text: &[u8], start: usize) -> Stretch {
    let rest = text.get(start..).unwrap_or_default();
    let mut deserializer = serde_json::Deserializer::from_slice(rest);
    let outcome = IgnoredAny::deserialize(&mut deserializer);
    match outcome {
        Ok(_) => {
            let length = whole_length(rest);
            Stretch {
                start,
                end: start + length,
                verdict: Verdict::Whole,
            }
        }
        Err(error) if error.classify() == Category::Eof => Stretch {
            start,
            end: text.len(),
            verdict: Verdict::CutOff,
        },
        Err(error) => {
            let length = offset_of(rest, error.line(), error.column());
            Stretch {
                start,
                end: start + length,
                verdict: Verdict::Broken,
            }
        }
    }
}

/// Length of the value that `text` begins with, known to be whole.
fn whole_length(text: &[u8]) -> usize {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    let _ = values.next();
    values.byte_offset()
}

/// Byte offset of a position that the parser gave as line (from 1) and column.
fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let line_start = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    (line_start + column).min(text.len())
}

fn begins_a_line(text: &[u8], position: usize) -> bool {
    let before = text.get(..position).unwrap_or_default();
    let last = before
        .iter()
        .rev()
        .find(|byte| !matches!(byte, b' ' | b'\t'));
    matches!(last, None | Some(b'\n' | b'\r' | b'>'))
}

/// Cuts the document out, unless its neighbours show that it is a piece of something larger.
fn around<'t>(text: &'t [u8], stretch: &Stretch) -> Found<'t> {
    let (head, after) = text.split_at(stretch.end);
    let (before, document) = head.split_at(stretch.start);
    let opened = matches!(before.trim_ascii_end().last(), Some(b',' | b'{' | b'['));
    let continued = matches!(
        after.trim_ascii_start().first(),
        Some(b',' | b':' | b'}' | b']')
    );
    if opened || continued {
        return Found::Nothing;
    }
    Found::Noisy {
        before,
        document,
        after,
    }
}
