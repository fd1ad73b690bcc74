use std::path::PathBuf;

/// The generated pages of `docs/reference/`.
pub(crate) fn all() -> Vec<(PathBuf, String)> {
    vec![
        ("docs/reference/streams.md".into(), streams()),
        ("docs/reference/broker-users.md".into(), broker_users()),
        ("docs/reference/configuration.md".into(), configuration()),
        ("docs/reference/event-codes.md".into(), event_codes()),
        (
            "docs/reference/woocommerce-codes.md".into(),
            woocommerce_codes(),
        ),
    ]
}

fn streams() -> String {
    format!(
        "# Streams and consumers\n\nMade by `make contracts` from the table in `shared/bus`.\n\n{}",
        storelink_bus::streams::to_markdown()
    )
}

fn broker_users() -> String {
    format!(
        "# What the broker's users may do\n\nMade by `make contracts` from the table in `shared/bus`; \
         [how they are made](../how-to/broker-users.md). Beside these, who answers the questions of \
         others may publish to their inboxes, `_INBOX_<role>.>`.\n\n{}",
        storelink_bus::users::to_markdown()
    )
}

fn configuration() -> String {
    format!(
        "# Configuration\n\nMade by `make contracts` from the defaults that are compiled in. A file \
         (`--config`, or `storelink.toml`) overrides them, and `STORELINK_…` in the environment \
         overrides the file: `STORELINK_NATS__URL` is `url` of the section `nats`.\n\n```toml\n{}```\n",
        storelink_settings::DEFAULTS
    )
}

fn woocommerce_codes() -> String {
    let mut page =
        "# What verification and calls to WooCommerce can say\n\nMade by `make contracts`.\n\n\
                    | code | cause | what to do |\n|---|---|---|\n"
            .to_owned();
    for entry in storelink_adapter_woocommerce::CODES {
        page.push_str(&format!(
            "| `{}` | {} | {} |\n",
            entry.code,
            entry.cause,
            entry.remedy.join(" ")
        ));
    }
    page
}

fn event_codes() -> String {
    let mut page = "# Why an event of an ERP is refused\n\nMade by `make contracts`. Each refusal has a code and a \
                    JSON pointer into the event. Over `POST /v1/events` an event is taken whole or refused whole, \
                    in the answer. Over the broker the items beside a refused one are taken; what is refused is \
                    told on `hub.<tenant>.event.rejected`, and the event is parked.\n\n\
                    | code | points to | cause | what to do |\n|---|---|---|---|\n"
        .to_owned();
    for entry in storelink_events::erp::CODES {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            entry.code,
            entry.pointer.replace('<', "\\<"),
            entry.cause,
            entry.remedy.replace('<', "\\<")
        ));
    }
    page
}
