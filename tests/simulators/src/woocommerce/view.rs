//! What all shown objects share: the addresses, the version's differences, the moment.

use super::json::{JsonText, Members, ToJson};
use super::product::Meta;
use super::site_time::SiteTime;
use super::spec::Version;
use super::state::State;

/// Methods that a single product or order takes.
pub(crate) const ONE: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Methods that a note or refund takes.
pub(crate) const READ_DELETE: &[&str] = &["GET", "DELETE"];

/// How objects are shown in one answer.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) site: &'a SiteTime,
    pub(crate) version: Version,
    /// The store's home with the scheme of the call.
    pub(crate) home: &'a str,
    pub(crate) now: i64,
    /// Answers to writes show texts as typed.
    pub(crate) editing: bool,
    /// Decimals of amounts.
    pub(crate) decimals: u32,
}

impl View<'_> {
    /// Address of an API path.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/wp-json/wc/v3/{path}", self.home)
    }

    /// Writes `_links`: what the object is, where its like are, and others.
    pub(crate) fn links(
        &self,
        object: &mut Members<'_>,
        own: &str,
        allowed: &[&str],
        collection: &str,
        others: &[(&str, Link)],
    ) {
        object.object("_links", |links| {
            links.list("self", [own], |text, own| {
                text.object(None, |link| {
                    link.put("href", &self.api(own));
                    if self.version.is_new() {
                        link.object("targetHints", |hints| {
                            hints.list("allow", allowed, |text, method| text.string(method));
                        });
                    }
                });
            });
            links.list("collection", [collection], |text, path| {
                self.href(text, path, false)
            });
            for (name, link) in others {
                links.list(name, [link], |text, link| {
                    self.href(text, &link.path, link.embeddable)
                });
            }
        });
    }

    fn href(&self, text: &mut JsonText, path: &str, embeddable: bool) {
        text.object(None, |link| {
            if embeddable {
                link.put("embeddable", &true);
            }
            link.put("href", &self.api(path));
        });
    }
}

/// A further link.
pub(crate) struct Link {
    pub(crate) path: String,
    pub(crate) embeddable: bool,
}

impl ToJson for Meta {
    fn write(&self, text: &mut JsonText) {
        text.object(None, |object| {
            object.put("id", &self.id);
            object.put("key", &self.key);
            object.put("value", &self.value);
        });
    }
}
