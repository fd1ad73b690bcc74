//! The request as a line that a person can try in a shell, without its secrets.

use url::Url;

use crate::redaction::names_a_secret;
use crate::request::{Field, QueryPart, Request};

impl Request {
    /// A `curl` line for diagnosis. Each secret value is a shell variable such as
    /// `$AUTHORIZATION`, which the person sets first; the body is a file name.
    #[must_use]
    pub fn as_curl(&self) -> String {
        let mut line = String::from("curl --include");
        if self.method != reqwest::Method::GET {
            line.push_str(&format!(" --request {}", self.method));
        }
        for (name, value) in &self.headers {
            line.push_str(&format!(" --header {}", header_argument(name, value)));
        }
        if self.body.is_some() {
            line.push_str(" --data-binary @request-body");
        }
        line.push(' ');
        line.push_str(&double_quoted(&self.shown_url()));
        line
    }

    fn shown_url(&self) -> String {
        let mut base = self.url.clone();
        base.set_query(None);
        base.set_fragment(None);
        // Neither call can fail for an http address, and such a request is refused anyway.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        let parameters: Vec<String> = self.shown_parameters(&self.url);
        let base = escaped(base.as_str());
        if parameters.is_empty() {
            base
        } else {
            format!("{base}?{}", parameters.join("&"))
        }
    }

    fn shown_parameters(&self, url: &Url) -> Vec<String> {
        let given = url.query().into_iter().flat_map(shown_encoded);
        let added = self.query.iter().flat_map(|part| match part {
            QueryPart::Encoded(text) => shown_encoded(text).collect::<Vec<_>>(),
            QueryPart::Pair(name, Field::Plain(value)) if !names_a_secret(name) => {
                vec![escaped(&crate::query::encode_pairs([(name, value)]))]
            }
            QueryPart::Pair(name, _) => {
                let shown = crate::query::encode_component(name);
                vec![format!("{}=${}", escaped(&shown), variable(name))]
            }
        });
        given.chain(added).collect()
    }
}

fn shown_encoded(query: &str) -> impl Iterator<Item = String> + '_ {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            if names_a_secret(name) {
                format!("{}=${}", escaped(name), variable(name))
            } else {
                escaped(pair)
            }
        })
}

fn header_argument(name: &str, value: &Field) -> String {
    match value {
        Field::Plain(text) if !names_a_secret(name) => {
            double_quoted(&format!("{}: {}", escaped(name), escaped(text)))
        }
        _ => double_quoted(&format!("{}: ${}", escaped(name), variable(name))),
    }
}

/// A shell variable name made of a parameter or header name.
fn variable(name: &str) -> String {
    let letters: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("{{{letters}}}")
}

/// Makes foreign text harmless inside double quotes of a shell.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

fn double_quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn secrets_become_variables_and_the_rest_stays_readable() {
        let url =
            Url::parse("https://shop.example/api/orders?consumer_secret=cs_1&page=2").unwrap();
        let line = Request::post(url)
            .query([("filter[1]", "a b"), ("ws_key", "K1")])
            .secret_query("plain", SecretString::from("S2"))
            .encoded_query("oauth_signature=S3&x=%20y")
            .basic_auth("ck", &SecretString::from("S4"))
            .header("accept", "application/json")
            .header("X-Api-Key", "S5")
            .body("application/json", "{\"password\":\"S6\"}")
            .as_curl();
        assert_eq!(
            line,
            "curl --include --request POST --header \"authorization: ${AUTHORIZATION}\" \
             --header \"accept: application/json\" --header \"X-Api-Key: ${X_API_KEY}\" \
             --header \"content-type: application/json\" --data-binary @request-body \
             \"https://shop.example/api/orders?consumer_secret=${CONSUMER_SECRET}&page=2\
             &filter%5B1%5D=a%20b&ws_key=${WS_KEY}&plain=${PLAIN}\
             &oauth_signature=${OAUTH_SIGNATURE}&x=%20y\""
        );
    }

    #[test]
    fn foreign_text_cannot_leave_its_quotes() {
        let url = Url::parse("http://user:pw@shop.example/$(id)`id`").unwrap();
        let line = Request::get(url)
            .header("accept", "\"; rm -rf $HOME `x` \\")
            .as_curl();
        assert!(
            line.contains(r#""accept: \"; rm -rf \$HOME \`x\` \\""#),
            "{line}"
        );
        assert!(!line.contains("pw") && !line.contains("user"), "{line}");
        assert!(line.contains(r"\$(id)"), "{line}");
    }
}
