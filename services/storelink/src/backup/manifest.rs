//! What a backup says of itself: written last, so that a folder without it is no backup.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storelink_model::Timestamp;
use storelink_persistence::DatabaseCopy;

/// The version of the layout of the folder.
const FORMAT: u32 = 1;
const FILE: &str = "manifest.json";
/// Below the folder of a backup: copies of databases.
pub(super) const DATABASES: &str = "databases";
/// Below the folder of a backup: messages of streams.
pub(super) const STREAMS: &str = "streams";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The release that made it.
    pub(super) program: String,
    /// When it began: everything that was acknowledged before is in it.
    pub(super) taken: Timestamp,
    pub(super) finished: Timestamp,
    pub(super) database: Kind,
    pub(super) databases: Vec<DatabaseCopy>,
    pub(super) streams: Vec<ArchivedStream>,
    /// Size and checksum of every other file of the folder, by its path.
    files: BTreeMap<PathBuf, Sum>,
}

/// Which kind of database it was taken from, and can be put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ArchivedStream {
    pub(super) name: String,
    pub(super) messages: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    sha256: String,
}

/// What was put into a folder.
pub(super) struct Contents {
    pub(super) taken: Timestamp,
    pub(super) database: Kind,
    pub(super) databases: Vec<DatabaseCopy>,
    pub(super) streams: Vec<ArchivedStream>,
}

impl Manifest {
    /// Makes the files of a folder lasting and says what they are.
    pub(super) fn write(folder: &Path, contents: Contents) -> anyhow::Result<Self> {
        let files = contents.files();
        let summed = files.into_iter().map(|path| {
            let sum = sum(&folder.join(&path))?;
            Ok((path, sum))
        });
        let manifest = Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            taken: contents.taken,
            finished: Timestamp::now(),
            database: contents.database,
            files: summed.collect::<anyhow::Result<_>>()?,
            databases: contents.databases,
            streams: contents.streams,
        };
        let (path, unfinished) = (folder.join(FILE), folder.join("manifest.json.part"));
        std::fs::write(&unfinished, serde_json::to_string_pretty(&manifest)?)
            .and_then(|()| File::open(&unfinished)?.sync_all())
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .and_then(|()| File::open(folder)?.sync_all())
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(manifest)
    }

    /// Reads what a folder holds, and proves that every file is as it was written.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "{} holds no finished backup: {FILE} cannot be read",
                folder.display()
            )
        })?;
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = || format!("{} is not what a backup says of itself", path.display());
        let Format { format } = serde_json::from_str(&text).with_context(unreadable)?;
        ensure!(
            format == FORMAT,
            "the backup has format {format}, this program reads format {FORMAT}: use the release \
             that made it, or a newer one"
        );
        let manifest: Self = serde_json::from_str(&text).with_context(unreadable)?;
        manifest.prove_files(folder)?;
        Ok(manifest)
    }

    fn prove_files(&self, folder: &Path) -> anyhow::Result<()> {
        for path in files(&self.databases, &self.streams) {
            let known = self.files.get(&path);
            let found = sum(&folder.join(&path))?;
            ensure!(
                known == Some(&found),
                "{} of the backup is not as it was written: use another backup",
                path.display()
            );
        }
        Ok(())
    }
}

impl Contents {
    fn files(&self) -> Vec<PathBuf> {
        files(&self.databases, &self.streams)
    }
}

fn files(databases: &[DatabaseCopy], streams: &[ArchivedStream]) -> Vec<PathBuf> {
    let databases = databases.iter().flat_map(DatabaseCopy::files);
    let databases = databases.map(|path| Path::new(DATABASES).join(path));
    let streams = streams.iter().map(|stream| stream_file(&stream.name));
    databases.chain(streams).collect()
}

/// Where the messages of a stream are, below the folder of a backup.
pub(super) fn stream_file(stream: &str) -> PathBuf {
    Path::new(STREAMS).join(format!("{stream}.jsonl"))
}

fn sum(path: &Path) -> anyhow::Result<Sum> {
    let context = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(context)?;
    file.sync_all().with_context(context)?;
    let mut reader = BufReader::new(file);
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer).with_context(context)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        digest.update(part);
        bytes += u64::try_from(read)?;
    }
    let digits = digest.finalize();
    Ok(Sum {
        bytes,
        sha256: digits.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path) -> Manifest {
        std::fs::create_dir_all(folder.join(STREAMS)).unwrap();
        std::fs::write(folder.join(stream_file("DEAD")), "one\n").unwrap();
        let contents = Contents {
            taken: Timestamp::from_micros(1),
            database: Kind::Sqlite,
            databases: Vec::new(),
            streams: vec![ArchivedStream {
                name: "DEAD".to_owned(),
                messages: 1,
            }],
        };
        Manifest::write(folder, contents).unwrap()
    }

    #[test]
    fn a_backup_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let written = written(folder.path());
        let read = Manifest::read(folder.path()).unwrap();
        assert_eq!((read.taken, read.database), (written.taken, Kind::Sqlite));
        assert_eq!(read.streams[0].messages, 1);
    }

    #[test]
    fn a_file_that_was_changed_a_missing_one_and_an_unfinished_backup_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| format!("{:#}", Manifest::read(folder).unwrap_err());
        assert!(refused(folder.path()).contains("no finished backup"));
        written(folder.path());
        let file = folder.path().join(stream_file("DEAD"));
        std::fs::write(&file, "two\n").unwrap();
        assert!(refused(folder.path()).contains("not as it was written"));
        std::fs::remove_file(&file).unwrap();
        assert!(refused(folder.path()).contains("cannot be read"));
    }

    #[test]
    fn a_format_of_another_release_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let later = r#"{"format": 2, "something": "else"}"#;
        std::fs::write(folder.path().join(FILE), later).unwrap();
        let refused = format!("{:#}", Manifest::read(folder.path()).unwrap_err());
        assert!(refused.contains("format 2"), "{refused}");
    }
}
