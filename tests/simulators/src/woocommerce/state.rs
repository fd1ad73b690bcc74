//! Everything one store knows, behind one lock.

use std::collections::{BTreeMap, HashMap};

use super::order::Order;
use super::product::{Kind, Product};
use super::webhook::Webhook;

/// The data of a store.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) products: BTreeMap<u64, Product>,
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) webhooks: BTreeMap<u64, Webhook>,
    /// Nonces by key and second: one each, as the store keeps them (recording 18).
    pub(crate) nonces: HashMap<String, BTreeMap<i64, String>>,
    by_sku: HashMap<String, Vec<u64>>,
    last_post: u64,
    last_item: u64,
    last_meta: u64,
    last_note: u64,
    last_webhook: u64,
}

impl State {
    /// The next id of products, orders and refunds, which share one row of numbers.
    pub(crate) fn next_post(&mut self) -> u64 {
        self.last_post += 1;
        self.last_post
    }

    pub(crate) fn next_item(&mut self) -> u64 {
        self.last_item += 1;
        self.last_item
    }

    pub(crate) fn next_meta(&mut self) -> u64 {
        self.last_meta += 1;
        self.last_meta
    }

    pub(crate) fn next_note(&mut self) -> u64 {
        self.last_note += 1;
        self.last_note
    }

    pub(crate) fn next_webhook(&mut self) -> u64 {
        self.last_webhook += 1;
        self.last_webhook
    }

    /// Lets no id up to this one be given again.
    pub(crate) fn reserve_post(&mut self, id: u64) {
        self.last_post = self.last_post.max(id);
    }

    /// Lets no line id up to this one be given again.
    pub(crate) fn reserve_item(&mut self, id: u64) {
        self.last_item = self.last_item.max(id);
    }

    /// Lets no meta id up to this one be given again.
    pub(crate) fn reserve_meta(&mut self, id: u64) {
        self.last_meta = self.last_meta.max(id);
    }

    /// Lets no note id up to this one be given again.
    pub(crate) fn reserve_note(&mut self, id: u64) {
        self.last_note = self.last_note.max(id);
    }

    /// Puts a product in, keeping the SKU index.
    pub(crate) fn insert_product(&mut self, product: Product) {
        self.reserve_post(product.id);
        if let Some(older) = self.products.get(&product.id) {
            let (id, sku) = (older.id, older.sku.clone());
            self.unlist_sku(id, &sku);
        }
        self.list_sku(product.id, &product.sku);
        self.products.insert(product.id, product);
    }

    /// Takes a product and its variations out.
    pub(crate) fn remove_product(&mut self, id: u64) -> Option<Product> {
        let product = self.products.remove(&id)?;
        self.unlist_sku(id, &product.sku);
        if let Some(parent) = self.products.get_mut(&product.parent_id) {
            parent.children.retain(|child| *child != id);
        }
        for child in &product.children {
            self.remove_product(*child);
        }
        Some(product)
    }

    /// Changes a product's SKU, keeping the index.
    pub(crate) fn change_sku(&mut self, id: u64, sku: &str) {
        let Some(product) = self.products.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut product.sku, sku.to_owned());
        self.unlist_sku(id, &old);
        self.list_sku(id, sku);
    }

    fn list_sku(&mut self, id: u64, sku: &str) {
        if !sku.is_empty() {
            self.by_sku.entry(collated(sku)).or_default().push(id);
        }
    }

    fn unlist_sku(&mut self, id: u64, sku: &str) {
        if let Some(ids) = self.by_sku.get_mut(&collated(sku)) {
            ids.retain(|known| *known != id);
        }
    }

    /// Ids of products and variations whose SKU is the same to the database.
    pub(crate) fn with_sku(&self, sku: &str) -> &[u64] {
        self.by_sku.get(&collated(sku)).map_or(&[], Vec::as_slice)
    }

    /// Ids whose SKU is the very same text.
    pub(crate) fn with_exact_sku(&self, sku: &str) -> Vec<u64> {
        let ids = self.with_sku(sku).iter().copied();
        ids.filter(|id| self.products.get(id).is_some_and(|p| p.sku == sku))
            .collect()
    }

    pub(crate) fn parent_of(&self, product: &Product) -> Option<&Product> {
        self.products
            .get(&product.parent_id)
            .filter(|_| product.kind == Kind::Variation)
    }

    pub(crate) fn children_of<'a>(
        &'a self,
        product: &'a Product,
    ) -> impl Iterator<Item = &'a Product> {
        product
            .children
            .iter()
            .filter_map(|id| self.products.get(id))
    }

    /// Whether a variation's stock is kept by its parent: `manage_stock` is then the text `parent`.
    pub(crate) fn stock_keeper<'a>(&'a self, product: &'a Product) -> &'a Product {
        match self.parent_of(product) {
            Some(parent) if !product.manage_stock && parent.manage_stock => parent,
            _ => product,
        }
    }

    /// Price charged now; of a variable product the lowest of its variations.
    pub(crate) fn price(&self, product: &Product, now: i64) -> String {
        match product.kind {
            Kind::Variable => {}
            Kind::Other if product.regular_price.is_empty() => {
                return product
                    .plain("price")
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
            }
            _ => return product.own_price(now).to_owned(),
        }
        let prices = self.children_of(product).map(|child| child.own_price(now));
        let priced = prices.filter_map(|text| Some((super::money::price_number(text)?, text)));
        priced
            .min_by_key(|(number, _)| *number)
            .map_or_else(String::new, |(_, text)| text.to_owned())
    }

    /// Whether the product, or one of its variations, is on sale now.
    pub(crate) fn on_sale(&self, product: &Product, now: i64) -> bool {
        if product.kind == Kind::Variable {
            return self.children_of(product).any(|child| child.on_sale(now));
        }
        if product.kind == Kind::Other {
            return product.plain("on_sale") == serde_json::Value::Bool(true);
        }
        product.on_sale(now)
    }
}

/// What the database's collation makes of a text: letter case, accents and spaces at the end do not
/// count (recording 37).
pub(crate) fn collated(text: &str) -> String {
    text.trim_end_matches(' ')
        .to_lowercase()
        .chars()
        .map(unaccented)
        .collect()
}

fn unaccented(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ŕ' | 'ř' => 'r',
        'ś' | 'š' | 'ş' => 's',
        'ť' | 'ţ' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}
