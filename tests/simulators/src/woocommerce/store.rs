//! A WooCommerce store: finds out who asks for what and puts the answer together.

use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::Value;

use super::auth::{Caller, Gate};
use super::call::{Call, Handled, Output};
use super::config::Config;
use super::error::RestError;
use super::json::{Fields, JsonText, ToJson};
use super::params::Params;
use super::product::{Kind, Product};
use super::route::Route;
use super::site_time::{SiteTime, http_date};
use super::spec::{ApiKey, ProductSpec, StoreSpec};
use super::state::State;
use super::{
    catalogue, import, order_routes, order_write, pages, product_batch, product_routes,
    setting_routes, shop, webhook_routes,
};
use crate::action::{Action, ActionError, Article, OrderSummary};
use crate::clock::{Clock, ClockSetting, lock};
use crate::faults::FaultPage;
use crate::http::{Reply, Request, parse_form};
use crate::platform::{Platform, Work};

/// Members of a batch row when answers are trimmed.
const ESSENTIAL: &str = "id,sku,price,regular_price,sale_price,date_on_sale_from_gmt,\
date_on_sale_to_gmt,manage_stock,stock_quantity,stock_status,parent_id,date_modified_gmt";

/// A store with its data.
pub(crate) struct WooStore {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

impl WooStore {
    /// Makes a store that listens at an address.
    pub(crate) fn new(mut spec: StoreSpec, address: SocketAddr) -> Result<Self, String> {
        if spec.keys.is_empty() {
            spec.keys.push(ApiKey::default_pair());
        }
        let home = match spec.home.as_deref() {
            Some(folder) if folder.starts_with('/') => format!("http://{address}{folder}"),
            Some(address) => address.to_owned(),
            None => format!("http://{address}"),
        };
        let home = home.trim_end_matches('/').to_owned();
        let essential = Value::String(ESSENTIAL.to_owned());
        let essential = Fields::parse(Some(&essential)).filter(|_| spec.trim_answers);
        let site = SiteTime::new(&spec.time_zone)?;
        let clock = Clock::new(ClockSetting::Offset(spec.clock_offset));
        let config = Config {
            spec,
            site,
            home,
            essential,
        };
        let state = first_state(&config, clock.now());
        Ok(Self {
            config,
            clock,
            state: Mutex::new(state),
        })
    }

    /// The store's own address.
    pub(crate) fn home(&self) -> &str {
        &self.config.home
    }

    /// The path below the REST root that a request means, and whether it came by `rest_route`.
    fn rest_path(&self, request: &Request, query: &[(String, Value)], plain: bool) -> Place {
        let Some(path) = request.path.strip_prefix(self.config.folder()) else {
            return Place::Elsewhere;
        };
        let by_parameter = query.iter().find(|(name, _)| name == "rest_route");
        if let Some((_, Value::String(route))) = by_parameter {
            return Place::Rest {
                path: route.trim_start_matches('/').to_owned(),
                plain: true,
            };
        }
        match path.strip_prefix("/wp-json") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => match plain {
                true => Place::Slash,
                false => Place::Rest {
                    path: rest.trim_start_matches('/').to_owned(),
                    plain: false,
                },
            },
            _ if path.trim_matches('/').is_empty() => Place::Front,
            _ => Place::Elsewhere,
        }
    }

    fn is_secure(&self, request: &Request) -> bool {
        let forwarded = request.header("x-forwarded-proto") == Some("https");
        self.config.spec.believes_tls || (self.config.spec.trust_forwarded_proto && forwarded)
    }

    fn rest(&self, request: &Request, path: &str, plain: bool, work: &mut Work) -> Reply {
        let secure = self.is_secure(request);
        let query = parse_form(&request.query);
        let home = self.config.home_for(secure);
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let gate = Gate {
            keys: &self.config.spec.keys,
            home: &self.config.home,
            now,
            secure,
        };
        let found = gate.caller(request, &query, &mut state);
        let caller = found.as_ref().copied().unwrap_or(Caller::NOBODY);
        let params = Params::new(&query);
        let mut call = Call {
            config: &self.config,
            request,
            query,
            params,
            caller,
            home,
            now,
            work,
        };
        let route = path.trim_end_matches('/').strip_prefix("wc/v3/");
        let route = route.and_then(|path| Route::find(path, self.config.spec.version));
        let handled = match found.and_then(|caller| caller.check_method(&request.method)) {
            Err(error) => Err(error),
            Ok(()) if path.trim_matches('/').is_empty() => Ok(setting_routes::index(&call)),
            Ok(()) => match route.filter(|route| route.takes(&request.method)) {
                Some(route) => dispatch(&mut call, &mut state, route),
                None => Err(RestError::no_route()),
            },
        };
        finish(&call, path, plain, route, caller.is_known(), handled)
    }
}

enum Place {
    Rest { path: String, plain: bool },
    Slash,
    Front,
    Elsewhere,
}

fn first_state(config: &Config, now: i64) -> State {
    let mut state = State::default();
    import::load(&mut state, config, &config.spec.snapshot);
    for product in &config.spec.products {
        add_product(&mut state, config, product, now);
    }
    for product in config
        .spec
        .catalogue
        .map(catalogue::products)
        .unwrap_or_default()
    {
        add_product(&mut state, config, &product, now);
    }
    let mut work = Work::default();
    for order in &config.spec.orders {
        order_write::place(&mut state, config, order, now, &mut work);
    }
    state
}

fn add_product(state: &mut State, config: &Config, spec: &ProductSpec, now: i64) {
    let next = |id: u64, state: &mut State| if id > 0 { id } else { state.next_post() };
    let id = next(spec.id, state);
    let mut parent = Product::from_spec(id, spec, now, &config.site);
    let mut children = Vec::new();
    for child_spec in &spec.variations {
        let child_id = next(child_spec.id, state);
        let mut child = Product::from_spec(child_id, child_spec, now, &config.site);
        child.kind = Kind::Variation;
        child.type_name = "variation".to_owned();
        child.parent_id = id;
        if !child_spec.members.contains_key("tax_class") {
            child.tax_class = "parent".to_owned();
        }
        parent.children.push(child_id);
        children.push(child);
    }
    state.insert_product(parent);
    children
        .into_iter()
        .for_each(|child| state.insert_product(child));
}

fn dispatch(call: &mut Call<'_>, state: &mut State, route: Route<'_>) -> Handled {
    if call.request.method == "OPTIONS" {
        return Ok(options(call, route));
    }
    call.read_body()?;
    let method = match call.request.method.as_str() {
        "HEAD" => "GET",
        "PATCH" => "PUT",
        other => other,
    };
    match (method, route) {
        ("GET", Route::Orders) => order_routes::list(call, state),
        (_, Route::Orders) => order_routes::add(call, state),
        (_, Route::OrdersBatch) => order_routes::batch(call, state),
        ("GET", Route::Order(id)) => order_routes::read(call, state, id),
        ("DELETE", Route::Order(id)) => order_routes::delete(call, state, id),
        (_, Route::Order(id)) => order_routes::write(call, state, id),
        ("GET", Route::OrderRefunds(id)) => order_routes::refunds(call, state, id),
        (_, Route::OrderRefunds(id)) => order_routes::add_refund(call, state, id),
        (_, Route::OrderRefund(order, id)) => order_routes::read_refund(call, state, order, id),
        ("GET", Route::OrderNotes(id)) => order_routes::notes(call, state, id),
        (_, Route::OrderNotes(id)) => order_routes::post_note(call, state, id),
        (_, Route::OrderNote(order, id)) => order_routes::read_note(call, state, order, id),
        (_, Route::Refunds) => order_routes::all_refunds(call, state),
        ("GET", Route::Products) => product_routes::list(call, state),
        (_, Route::Products) => product_routes::add(call, state, 0),
        (_, Route::ProductsBatch) => product_batch::run(call, state, None),
        ("GET", Route::Product(id)) => product_routes::read(call, state, id),
        ("DELETE", Route::Product(id)) => product_routes::delete(call, state, id),
        (_, Route::Product(id)) => product_routes::write(call, state, id),
        ("GET", Route::ProductVariations(id)) => product_routes::variations(call, state, id),
        (_, Route::ProductVariations(id)) => product_routes::add(call, state, id),
        (_, Route::ProductVariationsBatch(id)) => product_batch::run(call, state, Some(id)),
        ("GET", Route::ProductVariation(parent, id)) => {
            product_routes::read_variation(call, state, parent, id)
        }
        (_, Route::ProductVariation(parent, id)) => {
            product_routes::write_one_variation(call, state, parent, id)
        }
        (_, Route::Variations) => product_routes::all_variations(call, state),
        (_, Route::SystemStatus) => setting_routes::system_status(call, state),
        (_, Route::Settings(group)) => setting_routes::settings(call, state, group),
        (_, Route::Setting(group, id)) => setting_routes::one_setting(call, state, group, id),
        (_, Route::Taxes) => setting_routes::taxes(call, state),
        (_, Route::CurrentCurrency) => setting_routes::current_currency(call, state),
        (_, Route::PaymentGateways) => setting_routes::payment_gateways(call),
        (_, Route::OrderTotals) => setting_routes::order_totals(call, state),
        ("GET", Route::Webhooks) => webhook_routes::list(call, state),
        (_, Route::Webhooks) => webhook_routes::add(call, state),
        ("GET", Route::Webhook(id)) => webhook_routes::read(call, state, id),
        ("DELETE", Route::Webhook(id)) => webhook_routes::delete(call, state, id),
        (_, Route::Webhook(id)) => webhook_routes::write(call, state, id),
    }
}

/// What an address takes; needs no key (recording 163).
fn options(call: &Call<'_>, route: Route<'_>) -> Output {
    let mut text = JsonText::default();
    text.object(call.fields().as_ref(), |o| {
        o.put("namespace", "wc/v3");
        o.list("methods", route.methods(), |text, method| {
            text.string(method)
        });
    });
    Output::ok(text)
}

fn finish(
    call: &Call<'_>,
    path: &str,
    plain: bool,
    route: Option<Route<'_>>,
    known: bool,
    handled: Handled,
) -> Reply {
    let (output, allow) = match handled {
        Ok(output) => (output, call.request.method != "OPTIONS"),
        Err(error) => {
            let mut text = JsonText::default();
            error.body().write(&mut text);
            let output = Output {
                status: error.status,
                body: text.into_bytes(),
                ..Output::default()
            };
            (output, error.allow)
        }
    };
    let root = if plain {
        "/index.php?rest_route=/"
    } else {
        "/wp-json/"
    };
    let mut reply = pages::rest_reply(output.status, output.body, &format!("{}{root}", call.home));
    if let Some(paging) = &output.paging {
        let address = if plain {
            "/index.php".to_owned()
        } else {
            format!("/wp-json/{path}")
        };
        paging.put(
            &mut reply,
            &format!("{}{address}", call.home),
            &output.link_query,
        );
    }
    if let Some(location) = output.location {
        reply = reply.with("Location", location);
    }
    if let Some(methods) = route.map(|route| route.methods()).filter(|_| allow) {
        reply = reply.with("Allow", methods.join(", "));
    } else if output.is_index {
        reply = reply.with("Allow", "GET");
    }
    match known {
        true => call.config.not_cached(reply),
        false if call.request.method == "OPTIONS" => reply,
        false => reply.with("Vary", "Origin"),
    }
}

impl Platform for WooStore {
    fn answer(&self, request: &Request, work: &mut Work) -> Reply {
        let query = parse_form(&request.query);
        match self.rest_path(request, &query, work.plain_permalinks) {
            Place::Rest { path, plain } => self.rest(request, &path, plain, work),
            Place::Slash => {
                pages::slash_redirect(&self.config.home_for(self.is_secure(request)), request)
            }
            Place::Front => pages::front_page(),
            Place::Elsewhere => pages::not_found(),
        }
    }

    fn page(&self, page: &FaultPage, request: &Request) -> Reply {
        pages::page(
            page,
            request,
            &self.config.home_for(self.is_secure(request)),
        )
    }

    fn date_header(&self) -> String {
        http_date(self.clock.now())
    }

    fn act(&self, action: &Action, work: &mut Work) -> Result<Value, ActionError> {
        shop::act(
            &mut lock(&self.state),
            &self.config,
            action,
            self.clock.now(),
            work,
        )
    }

    fn articles(&self) -> Vec<Article> {
        shop::articles(&lock(&self.state), self.clock.now())
    }

    fn orders(&self) -> Vec<OrderSummary> {
        shop::orders(&lock(&self.state), &self.config)
    }

    fn order(&self, id: u64) -> Option<Value> {
        shop::order(self, &lock(&self.state), id)
    }

    fn refunds(&self, order: u64) -> Option<Vec<Value>> {
        shop::refunds(self, &lock(&self.state), order)
    }

    fn set_clock(&self, setting: ClockSetting) {
        self.clock.set(setting);
    }
}
