//! The unchanging part of a store.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::json::Fields;
use super::money;
use super::order::Taxes;
use super::pages;
use super::site_time::SiteTime;
use super::spec::{StoreSpec, TaxRate};
use crate::action::AddressSpec;
use crate::http::Reply;

/// Settings of a store.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) spec: StoreSpec,
    pub(crate) site: SiteTime,
    pub(crate) home: String,
    /// Members of batch rows when answers are trimmed.
    pub(crate) essential: Option<Fields>,
}

impl Config {
    /// Adds what WordPress says about caching to known users, in the words of the version.
    pub(crate) fn not_cached(&self, reply: Reply) -> Reply {
        if self.spec.version.is_new() {
            return pages::not_cached(reply);
        }
        let control = "no-cache, must-revalidate, max-age=0";
        reply
            .with("Expires", "Wed, 11 Jan 1984 05:00:00 GMT")
            .with("Cache-Control", control)
    }

    /// Home with the scheme that the store believes the call to have.
    pub(crate) fn home_for(&self, secure: bool) -> String {
        let rest = self
            .home
            .split_once("://")
            .map_or(self.home.as_str(), |(_, rest)| rest);
        format!("{}://{rest}", if secure { "https" } else { "http" })
    }

    /// The folder of the home address, without a slash at the end: usually empty.
    pub(crate) fn folder(&self) -> &str {
        let rest = self
            .home
            .split_once("://")
            .map_or(self.home.as_str(), |(_, rest)| rest);
        rest.find('/')
            .and_then(|at| rest.get(at..))
            .unwrap_or_default()
            .trim_end_matches('/')
    }

    /// Rates for a customer and tax class; without any address, those of the shop's country.
    pub(crate) fn rates_for(
        &self,
        billing: &AddressSpec,
        shipping: &AddressSpec,
        class: &str,
    ) -> Vec<&TaxRate> {
        let countries = [&shipping.country, &billing.country, &self.spec.country];
        let country = countries.into_iter().find(|country| !country.is_empty());
        let country = country.map_or("", String::as_str);
        self.rates(country, class)
    }

    fn rates(&self, country: &str, class: &str) -> Vec<&TaxRate> {
        let rates = self.spec.tax_rates.iter();
        rates
            .filter(|rate| rate.country == country && rate.class == class)
            .collect()
    }

    /// Net amount of what a price stands for: prices may be entered with the shop's own tax.
    pub(crate) fn net(&self, entered: Decimal, class: &str) -> Decimal {
        if !self.spec.prices_include_tax {
            return entered;
        }
        let percent = self
            .rates(&self.spec.country, class)
            .iter()
            .map(|rate| rate.percent)
            .sum();
        money::net_of(entered, percent)
    }

    /// Taxes on a net amount; rounded here unless the store rounds sums only.
    pub(crate) fn taxes_on(&self, net: Decimal, rates: &[&TaxRate]) -> Taxes {
        let taxes = rates.iter().map(|rate| {
            let tax = money::tax_on(net, rate.percent);
            (rate.id, self.line_rounded(tax))
        });
        taxes.collect::<BTreeMap<_, _>>()
    }

    /// Rounds an amount of a line, unless the store rounds sums only.
    pub(crate) fn line_rounded(&self, amount: Decimal) -> Decimal {
        if self.spec.round_at_subtotal {
            amount
        } else {
            money::round(amount, self.spec.decimals)
        }
    }

    /// A rate by id.
    pub(crate) fn rate(&self, id: u64) -> Option<&TaxRate> {
        self.spec.tax_rates.iter().find(|rate| rate.id == id)
    }
}
