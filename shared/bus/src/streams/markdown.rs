//! The table for the documentation.

use std::fmt::Write;

use super::{ConsumerSpec, Keep, Sizing, StreamSpec, consumers, hooks, poller, streams};

/// Streams, buckets and durable consumers as two Markdown tables.
pub fn to_markdown() -> String {
    let mut text = String::from(
        "| stream | subjects | keeps | limit | largest message | message ids | for |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for spec in streams() {
        stream_row(&mut text, spec);
    }
    text.push_str(
        "\n| durable consumer | stream | reads | ack wait | in work at most | for |\n\
         |---|---|---|---|---|---|\n",
    );
    let per_platform = [poller("<platform>"), hooks("<platform>")];
    for spec in consumers().iter().chain(&per_platform) {
        consumer_row(&mut text, spec);
    }
    text
}

fn stream_row(text: &mut String, spec: &StreamSpec) {
    let subjects: Vec<String> = spec.subjects.iter().map(|s| format!("`{s}`")).collect();
    let keeps = match spec.keep {
        Keep::UntilDone => "until acknowledged".to_owned(),
        Keep::UntilDoneOnePerSubject => {
            "until acknowledged; a second message of a subject is refused".to_owned()
        }
        Keep::LastPerSubject => "the last message of each subject".to_owned(),
        Keep::For(age) => format!("{} days", age.as_secs() / 86_400),
    };
    let config = spec.config(Sizing::default());
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| {} | {} | {keeps} | {} MiB | {} KiB | {} min | {} |",
        spec.name,
        subjects.join(", "),
        config.max_bytes / (1024 * 1024),
        config.max_message_size / 1024,
        config.duplicate_window.as_secs() / 60,
        spec.purpose,
    );
}

fn consumer_row(text: &mut String, spec: &ConsumerSpec) {
    let _ = writeln!(
        text,
        "| {} | {} | `{}` | {} s | {} | {} |",
        spec.name,
        spec.stream,
        spec.filter,
        spec.ack_wait.as_secs(),
        spec.max_ack_pending,
        spec.purpose,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_and_consumer_has_a_row() {
        let text = to_markdown();
        for spec in streams() {
            assert!(
                text.contains(&format!("| {} |", spec.name)),
                "{}",
                spec.name
            );
        }
        assert!(text.contains(
            "| JOBS | `poll.*.*.*`, `poll.*.*.*.*` | until acknowledged; a second message of a \
             subject is refused | 32 MiB | 1024 KiB | 10 min |"
        ));
        assert!(text.contains("| poller-<platform> | JOBS | `poll.<platform>.>` | 30 s | 5000 |"));
    }
}
