//! Verification: a sequence of checks with evidence that changes nothing in the store. A check that
//! fails names a proven cause; what can no longer be asked then is skipped.

use serde_json::Value;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Check, CheckStatus, Diagnosis, ErrorClass, Purpose,
    StoreAccess,
};
use storelink_outbound_http::{Response, Url, lenient_json};

use crate::api::{Api, Call, FACT_AUTH, FACT_SIGNING_ADDRESS, below};
use crate::codes::{self, Code};
use crate::credentials::{self, SIGNATURE_WINDOW_SECONDS};
use crate::refine::{self, get};
use crate::{failure, own_address, shop};

/// Names and titles of all checks, in the order in which they are made.
const CHECKS: [(&str, &str); 14] = [
    ("address", "The address can be called"),
    ("tls", "The connection is encrypted"),
    ("api", "WooCommerce's interface answers"),
    ("time_zone", "The shop's time zone"),
    ("clock", "The shop's clock"),
    ("credentials", "The store accepts the key"),
    ("read_orders", "Orders can be read"),
    ("read_products", "Products can be read"),
    ("write", "Stock and prices can be written"),
    ("batch", "Many articles in one request"),
    ("version", "The version of WooCommerce"),
    ("currency", "The shop's currency"),
    ("tax_mode", "Prices with or without tax"),
    ("webhooks", "The store can call us"),
];
/// Differences that requests and whole seconds make by themselves.
const CLOCK_TOLERANCE_SECONDS: i64 = 60;
/// The index in full has more than a megabyte (sheet section 1).
const INDEX_FIELDS: &str = "name,home,gmt_offset,timezone_string,namespaces";

pub(crate) async fn verify(access: &StoreAccess) -> Diagnosis {
    let mut findings = Findings::default();
    if let Some(index) = reach(access, &mut findings).await {
        let home = index.get("home").and_then(Value::as_str);
        findings.profile.home = home.map(|home| home.trim_end_matches('/').to_owned());
        time_zone(&index, &mut findings);
        clock(access, &mut findings);
        if let Some(api) = keys(access, &mut findings).await {
            reading(&api, &mut findings).await;
            writing(&api, &mut findings).await;
            shop::look(&api, &mut findings).await;
        }
    }
    findings.complete()
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Findings {
    checks: Vec<Check>,
    pub(crate) profile: CapabilityProfile,
}

impl Findings {
    pub(crate) fn passed(&mut self, name: &str, evidence: impl Into<String>, curl: String) {
        self.checks
            .push(check(name, CheckStatus::Passed, evidence.into(), curl));
    }

    pub(crate) fn warning(
        &mut self,
        name: &str,
        code: Code,
        evidence: impl Into<String>,
        curl: String,
    ) {
        self.checks.push(Check {
            code: Some(code.code.to_owned()),
            explanation: Some(code.cause.to_owned()),
            remedy: code.remedy.iter().map(|step| (*step).to_owned()).collect(),
            ..check(name, CheckStatus::Warning, evidence.into(), curl)
        });
    }

    pub(crate) fn failed(&mut self, name: &str, error: &AdapterError, curl: String) {
        let known = Code::find(error.code);
        let cause = known.map_or(error.text.as_str(), |code| code.cause);
        let evidence = error.text.strip_prefix(cause).unwrap_or_default().trim();
        let evidence = if evidence.is_empty() {
            error.code
        } else {
            evidence
        };
        let remedy = match known {
            Some(code) => code.remedy.iter().map(|step| (*step).to_owned()).collect(),
            None => error.remedy.iter().cloned().collect(),
        };
        self.checks.push(Check {
            code: Some(error.code.to_owned()),
            explanation: Some(cause.to_owned()),
            remedy,
            ..check(name, CheckStatus::Failed, evidence.to_owned(), curl)
        });
    }

    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.profile.facts.insert(name.to_owned(), value.into());
    }

    fn complete(mut self) -> Diagnosis {
        for (name, _) in CHECKS {
            if self.checks.iter().all(|check| check.name != name) {
                let why = "An earlier check failed.".to_owned();
                self.checks
                    .push(check(name, CheckStatus::Skipped, why, String::new()));
            }
        }
        let place = |check: &Check| CHECKS.iter().position(|(name, _)| *name == check.name);
        self.checks.sort_by_key(place);
        Diagnosis {
            checks: self.checks,
            profile: self.profile,
        }
    }
}

fn check(name: &str, status: CheckStatus, evidence: String, curl: String) -> Check {
    let title = CHECKS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, title)| title);
    Check {
        name: name.to_owned(),
        title: title.to_owned(),
        status,
        code: None,
        evidence,
        explanation: None,
        remedy: Vec::new(),
        curl: (!curl.is_empty()).then_some(curl),
    }
}

/// Address, certificate and interface, by one request that needs no key. The index of the interface
/// comes back.
async fn reach(access: &StoreAccess, findings: &mut Findings) -> Option<Value> {
    let address = &access.address;
    if let Err(error) = access.http.check(address) {
        let refusal = AdapterError::new(ErrorClass::Attention, error.code(), error.explanation());
        findings.failed(
            "address",
            &refusal.with_remedy(error.remedy()),
            String::new(),
        );
        return None;
    }
    let request = get(below(address, "wp-json/")).query([("_fields", INDEX_FIELDS)]);
    let curl = request.as_curl();
    let asked = request.url().clone();
    let answer = access.send(request, Purpose::Verify).await;
    if let Err(error) = &answer {
        let before_the_store = ["http.dns", "http.address", "http.port", "http.connect_"];
        if before_the_store
            .iter()
            .any(|prefix| error.code.starts_with(prefix))
        {
            findings.failed("address", error, curl);
            return None;
        }
    }
    let host = address.host_str().unwrap_or_default();
    let port = address.port_or_known_default().unwrap_or_default();
    findings.passed("address", format!("{host}, port {port}"), String::new());
    match &answer {
        Err(error) if error.code.starts_with("http.tls") => {
            findings.failed("tls", error, curl);
            return None;
        }
        _ if address.scheme() == "https" => {
            findings.passed(
                "tls",
                format!("The certificate of {host} is valid."),
                String::new(),
            );
        }
        _ => findings.warning("tls", codes::PLAIN_HTTP, address.as_str(), String::new()),
    }
    let judged = match answer {
        Ok(response) => {
            let difference = response.clock_difference();
            findings.profile.clock_difference_seconds = difference.map(|by| by.whole_seconds());
            index(access, &asked, &response).await
        }
        Err(error) => Err(error),
    };
    match judged {
        Ok(index) => {
            match &index.noise {
                Some(noise) => findings.warning("api", codes::NOISY_ANSWERS, noise.as_str(), curl),
                None => findings.passed("api", index.evidence(), curl),
            }
            Some(index.value)
        }
        Err(error) => {
            findings.failed("api", &error, curl);
            None
        }
    }
}

async fn index(
    access: &StoreAccess,
    asked: &Url,
    response: &Response,
) -> Result<Index, AdapterError> {
    use storelink_outbound_http::Effect::Read;
    if response.status.as_u16() != 200 {
        let error = failure::of_answer(asked, Read, response);
        return Err(refine::cause(access, asked, response, error).await);
    }
    let index = match lenient_json::read::<Value>(&response.body) {
        Ok(read) if read.value.is_object() => Index {
            value: read.value,
            noise: read.noise.map(|noise| noise.to_string()),
        },
        Ok(_) => return Err(codes::API_NOT_FOUND.error(ErrorClass::Attention)),
        Err(why) => {
            let error = failure::of_body(&why, Read);
            return Err(refine::cause(access, asked, response, error).await);
        }
    };
    match index.namespaces() {
        Some(names) if !names.contains(&"wc/v3") => {
            let seen = format!("WordPress offers {}.", names.join(", "));
            Err(codes::NOT_ACTIVE.error_with(ErrorClass::Attention, &seen))
        }
        // Some security plugins hide the list; whether wc/v3 is there shows with the key.
        _ => match own_address::deeper(access, response, true).await {
            Some(error) => Err(error),
            None => Ok(index),
        },
    }
}

/// The public index of the interface.
struct Index {
    value: Value,
    /// What stood around it.
    noise: Option<String>,
}

impl Index {
    fn namespaces(&self) -> Option<Vec<&str>> {
        let names = self.value.get("namespaces")?.as_array()?;
        Some(names.iter().filter_map(Value::as_str).collect())
    }

    fn evidence(&self) -> String {
        let home = self.value.get("home").and_then(Value::as_str);
        let home = home.unwrap_or("an address it does not tell");
        match self.namespaces() {
            Some(_) => format!("wc/v3 answers; the store calls itself {home}."),
            None => format!("WordPress answers; the store calls itself {home}."),
        }
    }
}

fn time_zone(index: &Value, findings: &mut Findings) {
    let named = index
        .get("timezone_string")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let offset = || index.get("gmt_offset").and_then(shop::offset_text);
    match named.map(str::to_owned).or_else(offset) {
        Some(zone) => {
            findings.passed("time_zone", zone.clone(), String::new());
            findings.profile.time_zone = Some(zone);
        }
        None => findings.warning(
            "time_zone",
            codes::SETTINGS_NOT_READABLE,
            "The index names no time zone.",
            String::new(),
        ),
    }
}

fn clock(access: &StoreAccess, findings: &mut Findings) {
    let Some(difference) = findings.profile.clock_difference_seconds else {
        findings.warning(
            "clock",
            codes::CLOCK_UNKNOWN,
            "No Date header came.",
            String::new(),
        );
        return;
    };
    let seen = match difference {
        0 => "The store's clock and ours agree.".to_owned(),
        ahead if ahead > 0 => format!("The store's clock is {ahead} s ahead of ours."),
        behind => format!("The store's clock is {} s behind ours.", -behind),
    };
    let signed = access.address.scheme() == "http";
    if difference.abs() <= CLOCK_TOLERANCE_SECONDS {
        findings.passed("clock", seen, String::new());
    } else if signed && difference.abs() >= SIGNATURE_WINDOW_SECONDS {
        let error = codes::CLOCK_DIFFERS.error_with(ErrorClass::Attention, &seen);
        findings.failed("clock", &error, String::new());
    } else {
        findings.warning("clock", codes::CLOCK_DIFFERS, seen, String::new());
    }
}

/// The way in which the store accepts the key, when it does and the key may read orders.
async fn keys<'a>(access: &'a StoreAccess, findings: &mut Findings) -> Option<Api<'a>> {
    let api = match Api::new(access) {
        Ok(api) => api,
        Err(error) => {
            findings.failed("credentials", &error, String::new());
            return None;
        }
    };
    let home = findings
        .profile
        .home
        .as_deref()
        .and_then(|home| Url::parse(home).ok());
    let difference = findings.profile.clock_difference_seconds;
    let proof = credentials::prove(&api, &access.address, home.as_ref(), difference).await;
    let Some(accepted) = proof.accepted else {
        let cause = proof
            .cause
            .unwrap_or_else(|| codes::CREDENTIALS_REFUSED.error(ErrorClass::Attention));
        findings.failed("credentials", &cause, proof.curl);
        return None;
    };
    let seen = format!("Accepted by {}.", accepted.auth.describe());
    match proof.cause.as_ref().and_then(|note| Code::find(note.code)) {
        Some(note) => findings.warning("credentials", *note, seen, proof.curl.clone()),
        None => findings.passed("credentials", seen, proof.curl.clone()),
    }
    findings.fact(FACT_AUTH, accepted.auth.as_str());
    let signing_address = accepted.signing_address.as_str().trim_end_matches('/');
    findings.fact(FACT_SIGNING_ADDRESS, signing_address);
    match accepted.orders {
        Ok(response) => {
            let count = response.header("x-wp-total").unwrap_or("some").to_owned();
            findings.passed(
                "read_orders",
                format!("The store has {count} orders."),
                proof.curl,
            );
            Some(accepted.api)
        }
        Err(error) => {
            findings.failed("read_orders", &error, proof.curl);
            None
        }
    }
}

async fn reading(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::get("products", &[("per_page", "1"), ("_fields", "id")]);
    let curl = api.request(&call).as_curl();
    let answer = api.send(&call, Purpose::Verify).await;
    let judged = answer.and_then(|response| {
        api.understand::<Vec<Value>>(&call, &response)?;
        Ok(response.header("x-wp-total").unwrap_or("some").to_owned())
    });
    match judged {
        Ok(count) => findings.passed(
            "read_products",
            format!("The store has {count} products."),
            curl,
        ),
        Err(error) => findings.failed("read_products", &error, curl),
    }
}

/// A batch without rows changes nothing, and yet the store asks whether the key may write
/// (recordings 145, 149).
async fn writing(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::post("products/batch", "{}".to_owned());
    let curl = api.request(&call).as_curl();
    match api.ask::<Value>(&call, Purpose::Verify).await {
        Ok(_) => {
            findings.passed("write", "An empty batch was accepted.", curl);
            findings.passed("batch", "Up to 100 articles in one request.", String::new());
        }
        // Reading works with the same key: what is refused here can only be writing, in whatever
        // language the store says so.
        Err(error) if error.code == codes::CREDENTIALS_REFUSED.code => {
            let error = codes::KEY_READ_ONLY.error_with(ErrorClass::Attention, &error.text);
            findings.failed("write", &error, curl);
        }
        Err(error) => findings.failed("write", &error, curl),
    }
}
