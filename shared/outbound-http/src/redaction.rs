//! Short excerpts of foreign text that a person may see.

/// Longest excerpt, in characters.
pub const EXCERPT_CHARS: usize = 200;

/// Makes an excerpt of at most 200 characters: markup and control characters become blanks;
/// e-mail addresses, long digit runs and anything that could be a key become `***`.
#[must_use]
pub fn excerpt(text: &[u8]) -> String {
    // Four bytes per character is the most UTF-8 needs; markup takes room too, hence the factor.
    let head = text.get(..EXCERPT_CHARS * 16).unwrap_or(text);
    let plain = without_markup(&String::from_utf8_lossy(head));
    let mut shown = String::new();
    for word in plain.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        redact_word(word, &mut shown);
        if shown.len() > EXCERPT_CHARS * 4 {
            break;
        }
    }
    shorten(shown)
}

fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            _ if in_tag => {}
            other if other.is_control() => plain.push(' '),
            other => plain.push(other),
        }
    }
    plain
}

fn redact_word(word: &str, shown: &mut String) {
    let is_part = |character: char| {
        character.is_alphanumeric() || matches!(character, '_' | '-' | '@' | '.' | '+' | '%')
    };
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest
            .find(|character| !is_part(character))
            .unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        shown.push_str(if is_telling(part) { "***" } else { part });
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(separator);
        shown.push_str(separator);
        rest = tail;
    }
}

fn is_telling(part: &str) -> bool {
    let digits = part.chars().filter(char::is_ascii_digit).count();
    let key_like = part.len() >= 20 && digits >= 2;
    part.contains('@') || digits >= 7 || key_like || part.len() >= 40
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(EXCERPT_CHARS) {
        text.truncate(end);
    }
    text
}

/// Whether a parameter or header of this name carries a secret, judged by the words that such
/// names are made of. Rather one too many than one too few.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const TELLING: [&str; 10] = [
        "key",
        "secret",
        "token",
        "signature",
        "pass",
        "auth",
        "cookie",
        "session",
        "nonce",
        "code",
    ];
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_personal_data_is_masked() {
        let noise = b"<br />\n<b>Warning</b>:  Undefined index: x in /srv/shop/a.php on line 12, \
            mail ana@example.com, phone 0038640123456, key ck_1234567890abcdef1234567890";
        assert_eq!(
            excerpt(noise),
            "Warning : Undefined index: x in /srv/shop/a.php on line 12, mail ***, phone ***, key ***"
        );
    }

    #[test]
    fn an_excerpt_is_short_whatever_comes() {
        for text in ["č".repeat(5000), "a b".repeat(5000), "<".repeat(5000)] {
            assert!(excerpt(text.as_bytes()).chars().count() <= EXCERPT_CHARS);
        }
        assert_eq!(excerpt(b"\xff\xfe\x00ok"), "\u{fffd}\u{fffd} ok");
    }
}
