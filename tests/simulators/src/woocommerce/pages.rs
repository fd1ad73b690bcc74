//! Pages that stand in the way of the API (recordings 170 to 186).

use serde_json::{Value, json};

use super::json::{JsonText, ToJson};
use crate::faults::FaultPage;
use crate::http::{Reply, Request};

const JSON: &str = "application/json; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";

/// The page for a fault.
pub(crate) fn page(page: &FaultPage, request: &Request, home: &str) -> Reply {
    match page {
        FaultPage::Maintenance => maintenance(request),
        FaultPage::Unavailable(retry) => retry_after(
            server_page(503, "503 Service Temporarily Unavailable"),
            *retry,
        ),
        FaultPage::FatalError => fatal_error(request),
        FaultPage::DatabaseDown => database_down(request),
        FaultPage::BadGateway => server_page(502, "502 Bad Gateway"),
        FaultPage::GatewayTimeout => server_page(504, "504 Gateway Time-out"),
        FaultPage::TooManyRequests(retry) => {
            retry_after(server_page(429, "429 Too Many Requests"), *retry)
        }
        FaultPage::Forbidden => server_page(403, "403 Forbidden"),
        FaultPage::NotFound => server_page(404, "404 Not Found"),
        FaultPage::BodyTooLarge => server_page(413, "413 Request Entity Too Large"),
        FaultPage::ApiClosed => api_closed(home),
        FaultPage::FrontPage => front_page(),
        FaultPage::Empty => server(Reply::new(200, HTML, "")),
        FaultPage::Redirect { status, base } => redirect(*status, base, request),
    }
}

fn maintenance(request: &Request) -> Reply {
    let message = "Briefly unavailable for scheduled maintenance. Check back in a minute.";
    let reply = if request.accepts_json() {
        wp_die(503, message)
    } else {
        error_page(503, "Maintenance", message)
    };
    not_cached(reply).with("Retry-After", "600")
}

fn fatal_error(request: &Request) -> Reply {
    let message = "<p>There has been a critical error on this website.</p><p><a href=\"https://wordpress.org/documentation/article/faq-troubleshooting/\">Learn more about troubleshooting WordPress.</a></p>";
    if !request.accepts_json() {
        return not_cached(error_page(500, "WordPress &rsaquo; Error", message));
    }
    let trace = "Uncaught Error: Call to undefined function undefined_function_of_a_broken_plugin() in /var/www/shop/wp-content/plugins/broken/broken.php:2";
    let body = json!({"code": "internal_server_error", "message": message, "data": {"status": 500,
        "error": {"type": 1, "message": trace,
            "file": "/var/www/shop/wp-content/plugins/broken/broken.php", "line": 2}},
        "additional_errors": []});
    not_cached(json_reply(500, &body))
}

fn database_down(request: &Request) -> Reply {
    let message = "<h1>Error establishing a database connection</h1>";
    let reply = if request.accepts_json() {
        wp_die(500, message)
    } else {
        error_page(500, "Database Error", message)
    };
    not_cached(reply)
}

fn api_closed(home: &str) -> Reply {
    let body = json!({"code": "rest_cannot_access",
        "message": "The REST API on this site is restricted.", "data": {"status": 401}});
    let mut text = JsonText::default();
    body.write(&mut text);
    not_cached(rest_reply(
        401,
        text.into_bytes(),
        &format!("{home}/wp-json/"),
    ))
}

/// An answer of the REST server with the headers that all of them carry.
pub(crate) fn rest_reply(status: u16, body: Vec<u8>, root: &str) -> Reply {
    server(Reply::new(status, JSON, body))
        .with("X-Robots-Tag", "noindex")
        .with("Link", format!("<{root}>; rel=\"https://api.w.org/\""))
        .with("X-Content-Type-Options", "nosniff")
        .with(
            "Access-Control-Expose-Headers",
            "X-WP-Total, X-WP-TotalPages, Link",
        )
        .with(
            "Access-Control-Allow-Headers",
            "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
        )
}

fn wp_die(status: u16, message: &str) -> Reply {
    let body = json!({"code": "wp_die", "message": message, "data": {"status": status},
        "additional_errors": []});
    json_reply(status, &body)
}

fn json_reply(status: u16, body: &Value) -> Reply {
    let mut text = JsonText::default();
    body.write(&mut text);
    server(Reply::new(status, JSON, text.into_bytes()))
}

fn error_page(status: u16, title: &str, message: &str) -> Reply {
    let body = format!(
        "<!DOCTYPE html>\n<html dir='ltr'>\n<head>\n\t<meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\t<title>{title}</title>\n</head>\n<body id=\"error-page\">\n\t<div class=\"wp-die-message\">{message}</div></body>\n</html>\n"
    );
    server(Reply::new(status, HTML, body))
}

/// A page of the web server itself.
fn server_page(status: u16, title: &str) -> Reply {
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    );
    server(Reply::new(status, "text/html", body))
}

/// The shop's front page.
pub(crate) fn front_page() -> Reply {
    let body = "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>Shop</title></head>\n<body class=\"home\">\n<h1>Welcome to the shop</h1>\n</body>\n</html>\n";
    server(Reply::new(200, HTML, body))
}

/// The shop's page for an address that is none.
pub(crate) fn not_found() -> Reply {
    let body = "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>Page not found</title></head>\n<body class=\"error404\">\n<h1>Page not found</h1>\n</body>\n</html>\n";
    server(Reply::new(404, HTML, body))
}

fn redirect(status: u16, base: &str, request: &Request) -> Reply {
    let title = match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        307 => "307 Temporary Redirect",
        _ => "308 Permanent Redirect",
    };
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    server_page(status, title).with("Location", format!("{base}{}{query}", request.path))
}

/// Plain permalinks: WordPress sends to the same address with a slash, for ever (177, 177b).
pub(crate) fn slash_redirect(home: &str, request: &Request) -> Reply {
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    let location = format!("{home}{}/{query}", request.path.trim_end_matches('/'));
    let reply = server(Reply::new(301, HTML, "")).with("X-Redirect-By", "WordPress");
    not_cached(reply).with("Location", location)
}

fn retry_after(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        Some(seconds) => reply.with("Retry-After", seconds.to_string()),
        None => reply,
    }
}

fn server(reply: Reply) -> Reply {
    reply.with("Server", "nginx/1.22.1")
}

/// Adds what WordPress says about caching to known users.
pub(crate) fn not_cached(reply: Reply) -> Reply {
    reply.with("Expires", "Wed, 11 Jan 1984 05:00:00 GMT").with(
        "Cache-Control",
        "no-cache, must-revalidate, max-age=0, no-store, private",
    )
}
