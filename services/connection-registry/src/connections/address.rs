//! The address of a store, as people enter it.

use url::Url;

const LONGEST: usize = 2_048;

/// Reads an address: absolute, http or https, without user information, query and fragment; slashes
/// at its end are dropped (sheet "Connection and schedule model", field `api_url`).
///
/// # Errors
/// Code and words of what is wrong.
pub(crate) fn normalised(text: &str) -> Result<String, (&'static str, &'static str)> {
    let text = text.trim();
    if text.len() > LONGEST {
        return Err(("address.too_long", "it is longer than 2,048 characters"));
    }
    let url = Url::parse(text).map_err(|_| {
        (
            "address.not_absolute",
            "it is not a whole address such as https://shop.example.com",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("address.scheme", "only http and https are possible"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(("address.host", "it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "address.user_info",
            "it holds a user name or password; keys have fields of their own",
        ));
    }
    if url.query().is_some() {
        return Err((
            "address.query",
            "it holds a question mark and what follows; leave that out",
        ));
    }
    if url.fragment().is_some() {
        return Err((
            "address.fragment",
            "it holds a # and what follows; leave that out",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_get_one_spelling() {
        for (entered, kept) in [
            ("https://shop.example.com", "https://shop.example.com"),
            (" https://Shop.Example.com/ \n", "https://shop.example.com"),
            (
                "http://shop.example.com:8080/wp//",
                "http://shop.example.com:8080/wp",
            ),
            ("https://šop.example/", "https://xn--op-kta.example"),
            (
                "https://shop.example.com:443/a/",
                "https://shop.example.com/a",
            ),
        ] {
            assert_eq!(normalised(entered), Ok(kept.to_owned()), "{entered}");
        }
    }

    #[test]
    fn each_wrong_form_has_its_code() {
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        for (entered, code) in [
            ("", "address.not_absolute"),
            ("shop.example.com", "address.not_absolute"),
            ("//shop.example.com", "address.not_absolute"),
            ("https://", "address.not_absolute"),
            ("file:///etc/passwd", "address.scheme"),
            ("gopher://a.example", "address.scheme"),
            ("javascript:alert(1)", "address.scheme"),
            ("https://user@shop.example.com", "address.user_info"),
            ("https://user:word@shop.example.com", "address.user_info"),
            ("https://shop.example.com/?a=1", "address.query"),
            ("https://shop.example.com/?", "address.query"),
            ("https://shop.example.com/#a", "address.fragment"),
            (long.as_str(), "address.too_long"),
        ] {
            assert_eq!(
                normalised(entered).map_err(|(code, _)| code),
                Err(code),
                "{entered}"
            );
        }
    }
}
