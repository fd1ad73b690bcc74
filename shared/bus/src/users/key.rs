//! Keys of users: the broker holds the public half, the user alone the seed.

use nkeys::{KeyPair, KeyPairType};
use secrecy::SecretString;

/// A text that is no seed or public key of a user. It is not repeated: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it holds no key of a broker user: a seed is one line that begins with SU, a public key one that begins with U"
)]
pub struct InvalidKey;

/// The key of a user.
#[derive(Clone, Debug)]
pub struct UserKey {
    seed: SecretString,
    public: String,
}

impl UserKey {
    /// A new one, from the system's source of randomness.
    ///
    /// # Errors
    /// None that is known; the library allows for one.
    pub fn generate() -> Result<Self, InvalidKey> {
        Self::of(&KeyPair::new_user())
    }

    /// The key whose seed stands alone on a line of `text`, as in the file of a seed.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_seed(text: &str) -> Result<Self, InvalidKey> {
        let line = text.lines().map(str::trim);
        let seed = line.into_iter().find(|line| line.starts_with("SU"));
        let pair = KeyPair::from_seed(seed.ok_or(InvalidKey)?).map_err(|_| InvalidKey)?;
        Self::of(&pair)
    }

    /// The public half.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The secret half.
    pub fn seed(&self) -> &SecretString {
        &self.seed
    }

    /// Whether a text is the public half of a user's key, alone.
    pub fn is_public(text: &str) -> bool {
        KeyPair::from_public_key(text)
            .is_ok_and(|pair| matches!(pair.key_pair_type(), KeyPairType::User))
    }

    fn of(pair: &KeyPair) -> Result<Self, InvalidKey> {
        Ok(Self {
            seed: pair.seed().map_err(|_| InvalidKey)?.into(),
            public: pair.public_key(),
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_seed_comes_back_from_its_file_and_is_never_shown() {
        let key = UserKey::generate().unwrap();
        let seed = key.seed().expose_secret().to_owned();
        for file in [
            format!("{seed}\n"),
            format!(
                "-----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n"
            ),
        ] {
            assert_eq!(UserKey::from_seed(&file).unwrap().public(), key.public());
        }
        assert!(!format!("{key:?}").contains(&seed));
        assert!(UserKey::is_public(key.public()));
        for wrong in ["", "SU", "SUABC", &seed, &key.public()[1..], "U\" } ]"] {
            assert!(!UserKey::is_public(wrong));
        }
        for wrong in ["", "SU", "SUABC", key.public()] {
            assert!(UserKey::from_seed(wrong).is_err());
        }
    }
}
