//! Every code of this platform with its cause and its remedy: the one place from which errors,
//! checks and the how-to page take their words.

use storelink_adapter_api::{AdapterError, ErrorClass, ItemOutcome};

/// A stable code, what it means in a shop owner's words, and what to do, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code itself.
    pub code: &'static str,
    /// What happened.
    pub cause: &'static str,
    /// What a person can do; empty where nothing has to be done.
    pub remedy: &'static [&'static str],
}

impl Code {
    pub(crate) fn error(self, class: ErrorClass) -> AdapterError {
        self.error_with(class, "")
    }

    /// An error whose text goes on with what was seen.
    pub(crate) fn error_with(self, class: ErrorClass, seen: &str) -> AdapterError {
        let text = if seen.is_empty() {
            self.cause.to_owned()
        } else {
            format!("{} {seen}", self.cause)
        };
        let error = AdapterError::new(class, self.code, text);
        if self.remedy.is_empty() {
            error
        } else {
            error.with_remedy(self.remedy.join(" "))
        }
    }

    pub(crate) fn rejected(self, seen: &str) -> ItemOutcome {
        ItemOutcome::Rejected {
            code: self.code,
            text: format!("{} {seen}", self.cause).trim_end().to_owned(),
        }
    }

    /// The entry of a code.
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Self> {
        CODES.iter().find(|entry| entry.code == code)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal: $cause:literal => [$($step:literal),* $(,)?];)*) => {
        $(pub(crate) const $name: Code = Code {
            code: concat!("woocommerce.", $code),
            cause: $cause,
            remedy: &[$($step),*],
        };)*

        /// All codes of this platform. Those that begin with `http.` and `answer.` come from the
        /// outgoing client.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    // Address and interface.
    PLAIN_HTTP = "plain_http": "The store is called over plain http: orders and customers travel unencrypted. The keys themselves are not sent, each request is signed instead." =>
        ["Ask the hosting provider for a certificate and https.", "In WordPress, set both addresses under Settings > General to https://.", "Enter the https address here."];
    ADDRESS_DEEPER = "address_deeper": "This is a page of the store, not its address." =>
        ["Enter the address that the evidence names, without anything behind it, and test again."];
    MOVED = "moved": "The store sends every call on to another address." =>
        ["Enter the address that the store itself uses (see the evidence) and test again."];
    PERMALINKS_PLAIN = "permalinks_plain": "WordPress is set to plain permalinks, and with those the store's interface has no address." =>
        ["In WordPress: Settings > Permalinks, choose anything but Plain, for example \"Day and name\", and save.", "Test again."];
    NO_REWRITE = "no_rewrite": "Permalinks are set in WordPress, but the web server does not pass such addresses on to it." =>
        ["In WordPress: Settings > Permalinks, press Save once: WordPress writes its rewrite rules anew.", "If it stays: ask the hosting provider to pass all unknown addresses to index.php (Apache: mod_rewrite and AllowOverride; nginx: try_files)."];
    API_NOT_FOUND = "api_not_found": "At this address nothing answers as a WordPress store." =>
        ["Check the address: it is the one under Settings > General > Site Address in WordPress, with the folder if the shop lives in one."];
    NOT_ACTIVE = "not_active": "WordPress answers, but WooCommerce's interface wc/v3 is not there." =>
        ["In WordPress: Plugins, activate WooCommerce; update it if it is older than 5.8.", "Check that the address is that of the shop and not of another site."];
    ROUTE_MISSING = "route_missing": "WooCommerce does not know this call: it is switched off or too old." =>
        ["In WordPress: Plugins, check that WooCommerce is active and up to date.", "Test the connection again."];
    VERSION_TOO_OLD = "version_too_old": "This version of WooCommerce cannot be asked for what has changed since a moment; 5.8 is the oldest that can." =>
        ["Update WooCommerce to 5.8 or newer."];
    MODIFIED_FILTER_IGNORED = "modified_filter_ignored": "The store was asked for what changed since a moment and answered with older things too: it does not know the question." =>
        ["Update WooCommerce to 5.8 or newer.", "If it is newer: look for a plugin that changes the queries of the REST API."];
    API_CLOSED = "api_closed": "A security plugin closes the store's interface." =>
        ["In the security plugin of WordPress, allow the REST API for the path wc/v3.", "Test again."];
    FIREWALL = "firewall": "A firewall in front of the store refuses our requests." =>
        ["Ask the hosting provider or the firewall's service to let our addresses through to /wp-json/wc/v3/."];
    SERVER_PASSWORD = "server_password": "The web server itself asks for a password before the store is reached." =>
        ["Take the password protection away from /wp-json/, or link the public address of the shop."];

    // Credentials.
    KEYS_MISSING = "keys_missing": "Consumer key or consumer secret is not there." =>
        ["Enter both; they are made under WooCommerce > Settings > Advanced > REST API."];
    KEY_UNKNOWN = "key_unknown": "The store does not know this consumer key." =>
        ["In WordPress: WooCommerce > Settings > Advanced > REST API: check that the key is still in the list and belongs to this shop.", "Make a new key with permission Read/Write and paste both parts here."];
    SECRET_WRONG = "secret_wrong": "The store knows the consumer key, but the consumer secret does not belong to it." =>
        ["Paste the consumer secret again, whole and without blanks. It is shown only once, when the key is made.", "If you no longer have it, make a new key under WooCommerce > Settings > Advanced > REST API."];
    CREDENTIALS_NOT_SEEN = "credentials_not_seen": "The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off." =>
        ["Test the connection: the test finds out which of the two it is."];
    CREDENTIALS_REFUSED = "credentials_refused": "The store refused the key in words that are not known here." =>
        ["Test the connection: the test finds out why."];
    HEADER_DROPPED = "header_dropped": "The web server takes the Authorization header off before the store sees it. The keys are sent in the address instead (encrypted by https); they may stand in the server's log." =>
        ["Better: have the header passed on. Apache: add the line SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1 to .htaccess; FastCGI behind nginx: fastcgi_param HTTP_AUTHORIZATION $http_authorization.", "Test again."];
    HTTPS_NOT_SEEN = "https_not_seen": "The store is called over https but believes that it is plain http, and then ignores keys sent the usual way. Signed requests are used instead." =>
        ["Behind a proxy or a load balancer: let it send X-Forwarded-Proto: https, and let WordPress trust it (in wp-config.php set $_SERVER['HTTPS'] = 'on' when that header says https).", "Set both addresses under Settings > General to https://.", "Test again."];
    KEY_USER_GONE = "key_user_gone": "The store knows the key, but the WordPress user it belongs to no longer exists." =>
        ["Make a new key for a user who exists: WooCommerce > Settings > Advanced > REST API > Add key."];
    CREDENTIALS_STRIPPED = "credentials_stripped": "Neither the header nor the parameters that carry the key reach the store: something in front of it takes them off." =>
        ["Exclude /wp-json/ from the cache and from the firewall's rewriting of addresses.", "Test again."];
    PARAMETERS_STRIPPED = "parameters_stripped": "Something between us and the store takes parameters off our requests." =>
        ["Exclude /wp-json/ from the cache and from the firewall's rewriting of addresses."];
    SIGNATURE_REFUSED = "signature_refused": "The store computes another signature than we do: the consumer secret is wrong, or the store's own address is spelled in another way than the one entered." =>
        ["Paste the consumer secret again.", "Enter the address exactly as under Settings > General > Site Address in WordPress (with or without www, with its port)."];
    CLOCK_DIFFERS = "clock_differs": "The store's clock and ours differ." =>
        ["Ask the hosting provider to set the server's clock by a time server (NTP).", "Test again; beyond 15 minutes the store refuses signed requests."];
    CLOCK_UNKNOWN = "clock_unknown": "The store does not tell its clock." => [];
    NONCE_REFUSED = "nonce_refused": "The store saw the same request twice and refused the second one." => [];
    KEY_READ_ONLY = "key_read_only": "The key may read but not write." =>
        ["In WordPress: WooCommerce > Settings > Advanced > REST API, edit the key, set Permissions to Read/Write and save.", "Test again."];
    KEY_WRITE_ONLY = "key_write_only": "The key may write but not read." =>
        ["In WordPress: WooCommerce > Settings > Advanced > REST API, edit the key, set Permissions to Read/Write and save.", "Test again."];
    RIGHTS_MISSING = "rights_missing": "The key works, but the WordPress user it belongs to has too few rights." =>
        ["Make the key for a user with the role Shop manager or Administrator: WooCommerce > Settings > Advanced > REST API > Add key, field User.", "Or give that user the role: Users > All Users > Edit."];
    SETTINGS_NOT_READABLE = "settings_not_readable": "The key may not read the shop's settings, so some facts could not be found out. Orders and stock work without them." =>
        ["Make the key for a user with the role Shop manager or Administrator if you want these checks."];
    WEBHOOKS_NOT_ALLOWED = "webhooks_not_allowed": "Webhooks cannot be set up with this key. Orders are read by schedule all the same." =>
        ["Make the key for a user with the role Shop manager or Administrator if the store is to call us at once."];
    PRICES_WITH_TAX = "prices_with_tax": "The store keeps its prices with tax: published prices must be gross." =>
        ["Choose gross prices for this connection, or change WooCommerce > Settings > Tax > Prices entered with tax."];

    // The store's troubles.
    RATE_LIMITED = "rate_limited": "The store's server asks us to call less often." =>
        ["Nothing has to be done at once. If it stays, ask the hosting provider to raise the limit for our addresses, or lower the requests per minute of this connection."];
    MAINTENANCE = "maintenance": "The store is in maintenance, mostly because an update is running." =>
        ["Wait a few minutes. If it stays longer than half an hour, an update got stuck: delete the file .maintenance in WordPress' folder."];
    UNAVAILABLE = "unavailable": "The store's web server is overloaded or being restarted." =>
        ["Nothing has to be done at once. If it stays, ask the hosting provider."];
    PLUGIN_CRASH = "plugin_crash": "The store's program crashed: a plugin or the theme has a fault." =>
        ["Look into WooCommerce > Status > Logs (fatal errors) for the plugin, update it or switch it off."];
    DATABASE_DOWN = "database_down": "WordPress stopped before it could answer, mostly because its database cannot be reached." =>
        ["Ask the hosting provider about the database."];
    SERVER_ERROR = "server_error": "The store's server reported a fault of its own." =>
        ["Look into the web server's and PHP's error log, or ask the hosting provider."];
    GATEWAY = "gateway": "The web server answers, but PHP behind it is down." =>
        ["Ask the hosting provider to look at PHP (FPM)."];
    GATEWAY_TIMEOUT = "gateway_timeout": "The store took longer than its web server waits. Whether the work was done is not known; it is sent again in smaller pieces." =>
        ["If it stays: ask the hosting provider for a longer gateway timeout, and look for slow plugins."];
    REQUEST_REFUSED = "request_refused": "The store refused a request as wrong." =>
        ["Report it with this text: it is a fault of ours or an unknown version of WooCommerce."];
    BUSINESS_REFUSAL = "business_refusal": "The store refused the request for a reason of its own." =>
        ["Read the store's words."];
    NOT_FOUND = "not_found": "The store has no such article or order." =>
        ["It was deleted in the store; link it anew if it exists under another id."];
    ALREADY_DELETED = "already_deleted": "It is in the store's trash already." => [];
    BATCH_TOO_LARGE = "batch_too_large": "The store takes at most 100 rows at once." => [];
    BODY_TOO_LARGE = "body_too_large": "The request is larger than the store's web server accepts; it is sent in smaller pieces." =>
        ["If it stays: ask the hosting provider to raise the limit of request bodies (nginx: client_max_body_size)."];
    UNEXPECTED_STATUS = "unexpected_status": "The store answered with a status that makes no sense here." =>
        ["Look for a plugin or a proxy that changes the store's answers."];
    ANSWER_HTML = "answer_html": "A web page came instead of the interface's answer." =>
        ["Exclude /wp-json/ from caches, login walls and \"coming soon\" plugins.", "Check the address."];
    NOISY_ANSWERS = "noisy_answers": "The store prints something around its answers, mostly a warning of a plugin. It is cut away." =>
        ["Switch off the output of errors in the store (display_errors in PHP, WP_DEBUG_DISPLAY in wp-config.php).", "Look at the plugin that the evidence names."];
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood": "The store's answer could not be read." =>
        ["Switch off the output of errors in the store (display_errors in PHP).", "Look for a plugin that changes the answers of the REST API."];

    // Orders.
    ORDER_UNREADABLE = "order_unreadable": "An order has another form than WooCommerce gives it." =>
        ["Look for a plugin that changes orders in the REST API; report it with this text."];
    REFUND_UNREADABLE = "refund_unreadable": "A refund of the order has another form than WooCommerce gives it." =>
        ["Look for a plugin that changes refunds in the REST API; report it with this text."];
    REFUND_MISSING = "refund_missing": "The order names a refund whose details the store does not give." =>
        ["Open the order in WooCommerce and check its refunds; read the order again."];

    // Products.
    PRODUCT_UNREADABLE = "product_unreadable": "A product has another form than WooCommerce gives it; it is left out, the others are not." =>
        ["Look for a plugin that changes products in the REST API; report it with this text."];

    // Rows of a write.
    ARTICLE_GONE = "article_gone": "The article no longer exists in the store." =>
        ["Read the products again; link the article anew."];
    ARTICLE_IS_VARIATION = "article_is_variation": "The article has become a variation of another product." =>
        ["Read the products again."];
    ARTICLE_IN_TRASH = "article_in_trash": "The article is in the store's trash; what is written to it has no effect." =>
        ["Restore it in the store (Products > Trash) or delete it for good."];
    ARTICLE_NOT_LISTED = "article_not_listed": "The article has no id that WooCommerce could know." =>
        ["Read the products again."];
    STOCK_NOT_MANAGED = "stock_not_managed": "The store keeps no stock for this article, so the quantity was not stored." =>
        ["In the store: product > Inventory, tick \"Track stock quantity\".", "Or switch on \"Switch stock keeping on\" for this connection."];
    STOCK_AT_PARENT = "stock_at_parent": "The store keeps the stock of this variation at its parent product, so the quantity was not stored." =>
        ["Read the products again: the stock is then written to the parent.", "Or tick \"Manage stock?\" at the variation."];
    STOCK_NOT_STORED = "stock_not_stored": "The store answered without an error but shows another quantity." =>
        ["Look for a plugin that changes stock; read the article in the store."];
    STOCK_ROW_TWICE = "stock_row_twice": "Two articles share one stock in the store and were given different quantities; neither was written." =>
        ["Give every article its own stock in the store, or link only one of them."];
    QUANTITY_NEGATIVE = "quantity_negative": "A quantity below zero is never published." => [];
    PRICE_NOT_STORED = "price_not_stored": "The store answered without an error but shows another price." =>
        ["Look for a plugin that sets prices; read the article in the store."];
    PRICE_ON_PARENT = "price_on_parent": "The product has variations: its price is that of the variations and cannot be written." =>
        ["Read the products again: prices are then written to the variations."];
    PRICE_NOT_POSITIVE = "price_not_positive": "A price of zero or below is never published." =>
        ["Correct the price in the price list."];
    SALE_NOT_BELOW_REGULAR = "sale_not_below_regular": "The sale price is not below the regular price; the store would drop it without a word." =>
        ["Correct the sale price in the price list."];
    SALE_WINDOW_NOT_STORED = "sale_window_not_stored": "The price was stored, but the store shows other dates for the sale." =>
        ["Look for a plugin that sets sale dates; read the article in the store."];
    ROW_FORBIDDEN = "row_forbidden": "The key's user may not change this article." =>
        ["Make the key for a user with the role Shop manager or Administrator."];
    ROW_REFUSED = "row_refused": "The store refused this article." => ["Read the store's words."];
    ROW_NOT_SENT = "row_not_sent": "Articles of different products were put into one request; nothing was sent." => [];
}
