//! Messages of streams in files, one JSON object a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use storelink_bus::Bus;
use storelink_bus::archive::{self, ARCHIVED, ArchiveReader, ArchivedMessage};

use super::manifest::{ArchivedStream, STREAMS, stream_file};

#[derive(Serialize, Deserialize)]
struct Line {
    sequence: u64,
    subject: String,
    headers: Vec<(String, String)>,
    /// Base64, since a payload may be anything.
    payload: String,
}

/// Copies what is in no database into the folder of a backup.
pub(super) async fn save(bus: &Bus, folder: &Path) -> anyhow::Result<Vec<ArchivedStream>> {
    std::fs::create_dir_all(folder.join(STREAMS))?;
    let mut saved = Vec::new();
    for &name in ARCHIVED {
        let path = folder.join(stream_file(name));
        let context = || format!("{} cannot be written", path.display());
        let mut file = BufWriter::new(File::create(&path).with_context(context)?);
        let mut reader = ArchiveReader::begin(bus, name).await?;
        let mut messages = 0;
        while let Some(message) = reader.next().await? {
            serde_json::to_writer(&mut file, &Line::of(message)).with_context(context)?;
            file.write_all(b"\n").with_context(context)?;
            messages += 1;
        }
        file.flush().with_context(context)?;
        let name = name.to_owned();
        saved.push(ArchivedStream { name, messages });
    }
    Ok(saved)
}

/// Publishes what a backup holds of these streams. `origin` names the backup.
pub(super) async fn publish(
    bus: &Bus,
    folder: &Path,
    streams: &[ArchivedStream],
    origin: &str,
) -> anyhow::Result<()> {
    for stream in streams {
        let path = folder.join(stream_file(&stream.name));
        let context = || format!("{} cannot be read", path.display());
        let origin = format!("{origin}-{}", stream.name);
        for line in BufReader::new(File::open(&path).with_context(context)?).lines() {
            let line: Line = serde_json::from_str(&line.with_context(context)?)
                .with_context(|| format!("{} holds something else", path.display()))?;
            archive::publish_again(bus, &origin, line.message()?).await?;
        }
    }
    Ok(())
}

impl Line {
    fn of(message: ArchivedMessage) -> Self {
        Self {
            sequence: message.sequence,
            subject: message.subject,
            headers: message.headers,
            payload: STANDARD.encode(&message.payload),
        }
    }

    fn message(self) -> anyhow::Result<ArchivedMessage> {
        let payload = STANDARD
            .decode(&self.payload)
            .with_context(|| format!("message {} of the backup is damaged", self.sequence))?;
        Ok(ArchivedMessage {
            sequence: self.sequence,
            subject: self.subject,
            headers: self.headers,
            payload: payload.into(),
        })
    }
}
