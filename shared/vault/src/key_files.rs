//! Key files: `<key id>.key`, 32 bytes in base64, readable by the service alone.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use crate::VaultError;
use crate::sealed::is_key_id;

pub(crate) const KEY_BYTES: usize = 32;
const EXTENSION: &str = "key";
const ACTIVE: &str = "active";

pub(crate) type Key = SecretBox<[u8; KEY_BYTES]>;

/// The keys of a folder.
pub(crate) struct KeyRing {
    pub(crate) keys: BTreeMap<String, Key>,
    /// Id of the key that new values are sealed with.
    pub(crate) active: String,
}

/// Reads every key of the folder. The active one is named by the file `active`, else the one whose
/// id sorts last.
pub(crate) fn read(folder: &Path) -> Result<KeyRing, VaultError> {
    let mut keys = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unusable(folder, &error))? {
        let path = entry.map_err(|error| unusable(folder, &error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            let (id, key) = read_key(&path)?;
            keys.insert(id, key);
        }
    }
    let newest = keys.keys().next_back().cloned();
    let newest = newest.ok_or_else(|| VaultError::NoKey {
        path: folder.to_owned(),
    })?;
    let active = named_active(folder)?.unwrap_or(newest);
    if keys.contains_key(&active) {
        Ok(KeyRing { keys, active })
    } else {
        Err(VaultError::ActiveKeyMissing { key: active })
    }
}

/// Creates the folder and a first key unless there is one. Processes that start together on an
/// empty folder end up with the same key.
pub(crate) fn create_first(folder: &Path) -> Result<(), VaultError> {
    create_private_folder(folder)?;
    let lock_path = folder.join(".lock");
    let lock = File::create(&lock_path).map_err(|error| unusable(&lock_path, &error))?;
    lock.lock().map_err(|error| unusable(&lock_path, &error))?;
    match read(folder) {
        Err(VaultError::NoKey { .. }) => create(folder).map(|_| ()),
        _ => Ok(()),
    }
}

/// Writes a new random key and returns its id. Ids sort by time, so it becomes the active one
/// unless the file `active` names another.
pub(crate) fn create(folder: &Path) -> Result<String, VaultError> {
    let mut key = [0_u8; KEY_BYTES];
    OsRng
        .try_fill_bytes(&mut key)
        .map_err(|error| VaultError::CannotSeal(error.to_string()))?;
    let text = SecretString::from(STANDARD.encode(key) + "\n");
    key.zeroize();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut milliseconds = now.as_millis();
    loop {
        // A fixed number of digits: the order of texts is the order of time.
        let id = format!("k{milliseconds:014}");
        let path = folder.join(format!("{id}.{EXTENSION}"));
        match write_private(&path, &text).and_then(|()| sync_folder(folder)) {
            Ok(()) => return Ok(id),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => milliseconds += 1,
            Err(error) => return Err(unusable(&path, &error)),
        }
    }
}

fn write_private(path: &Path, text: &SecretString) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.expose_secret().as_bytes())?;
    // A value sealed with a key that a power cut takes away would be lost.
    file.sync_all()
}

/// The entry of a new file is kept over a power cut only when its folder is on the disk too.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn read_key(path: &Path) -> Result<(String, Key), VaultError> {
    let id = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|stem| is_key_id(stem));
    let id = id.ok_or_else(|| VaultError::KeyName {
        path: path.to_owned(),
    })?;
    refuse_exposed(path)?;
    let text = std::fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
    let text = SecretString::from(text);
    let mut bytes =
        STANDARD
            .decode(text.expose_secret().trim())
            .map_err(|_| VaultError::MalformedKey {
                path: path.to_owned(),
            })?;
    let copied = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
    bytes.zeroize();
    match copied {
        Ok(key) => Ok((id.to_owned(), SecretBox::new(Box::new(key)))),
        Err(_) => Err(VaultError::MalformedKey {
            path: path.to_owned(),
        }),
    }
}

fn named_active(folder: &Path) -> Result<Option<String>, VaultError> {
    let path = folder.join(ACTIVE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(&path, &error)),
    }
}

/// A group may read a key, since orchestrators mount secrets that way; the world may not.
#[cfg(unix)]
fn refuse_exposed(path: &Path) -> Result<(), VaultError> {
    use std::os::unix::fs::MetadataExt as _;

    let metadata = std::fs::metadata(path).map_err(|error| unusable(path, &error))?;
    if metadata.mode() & 0o007 == 0 {
        Ok(())
    } else {
        Err(VaultError::Exposed {
            path: path.to_owned(),
        })
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path) -> Result<(), VaultError> {
    Ok(())
}

fn create_private_folder(folder: &Path) -> Result<(), VaultError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| unusable(folder, &error))?;
    // The folder itself is an entry of the one above, which we need not be allowed to read.
    folder.parent().map(sync_folder);
    Ok(())
}

fn unusable(path: &Path, error: &std::io::Error) -> VaultError {
    VaultError::File {
        path: PathBuf::from(path),
        reason: error.to_string(),
    }
}
