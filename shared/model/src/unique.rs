use uuid::Uuid;

/// A new id that nobody else has; later ones sort after earlier ones.
#[must_use]
pub fn unique_id() -> Uuid {
    #[cfg(feature = "simulated-clock")]
    if let Some(id) = crate::simulated_clock::unique_id() {
        return id;
    }
    Uuid::now_v7()
}
