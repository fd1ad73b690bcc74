//! Files of keys: whole or not there, and secret ones for their owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// Makes a folder that its owner alone can read.
pub(super) fn make_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("the folder {} cannot be made", path.display()))
}

/// Writes a file that must not be there yet, for its owner alone; it is on the disk afterwards.
pub(crate) fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("{} cannot be made", path.display()))
}

/// Replaces a file at once: whoever reads it sees the old or the new one.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// The text of a file without blanks around it; none where there is no file.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let outcome = Err(error);
            outcome.with_context(|| format!("{} cannot be read", path.display()))
        }
    }
}

/// The names of the files of a folder that end in `.pub`, without that, in order.
pub(super) fn public_keys(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = names(folder)?;
    names.retain(|name| name.ends_with(".pub"));
    Ok(names
        .iter()
        .filter_map(|name| name.strip_suffix(".pub"))
        .map(str::to_owned)
        .collect())
}

/// The names of what is in a folder, in order; nothing where there is no folder.
pub(super) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let unreadable = || format!("the folder {} cannot be read", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(unreadable),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(unreadable)?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}
