//! One parser and what it is fed with.

use std::fmt::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::change::{changed, simpler};
use crate::process::most_memory_kib;

const SECONDS: &str = "STORELINK_FUZZ_SECONDS";
const SEED: &str = "STORELINK_FUZZ_SEED";
/// Inputs of a short run.
const SHORT: u64 = 2_000;
/// The seed of a short run: a test that fails must fail again.
const FIXED_SEED: u64 = 20_261_122;
/// The longest input unless a target says otherwise.
const LONGEST: usize = 32 * 1024;
/// The longest that one input may take: far beyond what any of them needs, also on a busy machine.
const SLOWEST: Duration = Duration::from_secs(10);
/// What all inputs together may add to the memory of the process.
const MEMORY_KIB: u64 = 192 * 1024;
/// Taken inputs that are kept to be changed further.
const POOL: usize = 512;
/// How long a found input is made smaller: what stands there after that is small enough to look at.
const SMALLER_WITHIN: Duration = Duration::from_secs(10);

/// A parser by its name, with good inputs to begin from.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    corpus: PathBuf,
    seeds: Vec<Vec<u8>>,
    short: u64,
    longest: usize,
}

impl Target {
    /// A target whose found inputs are kept in the folder `<corpus>/<name>`.
    #[must_use]
    pub fn new(name: &'static str, corpus: impl AsRef<Path>) -> Self {
        Self {
            name,
            corpus: corpus.as_ref().join(name),
            seeds: Vec::new(),
            short: SHORT,
            longest: LONGEST,
        }
    }

    /// Adds a good input.
    #[must_use]
    pub fn seed(mut self, input: impl AsRef<[u8]>) -> Self {
        self.seeds.push(input.as_ref().to_vec());
        self
    }

    /// Adds good inputs.
    #[must_use]
    pub fn seeds<T: AsRef<[u8]>>(self, inputs: impl IntoIterator<Item = T>) -> Self {
        inputs.into_iter().fold(self, Self::seed)
    }

    /// How many inputs a short run has; 2,000 by default.
    #[must_use]
    pub fn short(mut self, inputs: u64) -> Self {
        self.short = inputs;
        self
    }

    /// The longest input in bytes; 32 KiB by default.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Feeds the parser. `property` tells whether an input was taken, and panics where a promise is
    /// broken.
    ///
    /// # Panics
    /// When an input was found for which it does; it stands in the corpus then.
    pub fn run(self, property: impl Fn(&[u8]) -> bool) {
        let seconds = number(SECONDS);
        let fresh = seconds.map_or(FIXED_SEED, |_| rand::rng().random());
        let seed = number(SEED).unwrap_or(fresh);
        say(&format!("{}: seed {seed}", self.name));
        let begun = Instant::now();
        let memory = most_memory_kib();
        let feeding = Feeding {
            target: &self,
            property: &property,
            seed,
        };
        for input in self.kept() {
            feeding.feed(&input);
        }
        let mut pool = self.seeds.clone();
        if pool.is_empty() {
            pool.push(Vec::new());
        }
        for input in &pool {
            feeding.feed(input);
        }
        let (mut random, mut fed, mut taken) = (StdRng::seed_from_u64(seed), 0_u64, 0_u64);
        let until = seconds.map(Duration::from_secs);
        while until.map_or(fed < self.short, |until| begun.elapsed() < until) {
            let one = random.random_range(0..pool.len());
            let other = random.random_range(0..pool.len());
            let (Some(one), Some(other)) = (pool.get(one), pool.get(other)) else {
                break;
            };
            let input = changed(&mut random, one, other, self.longest);
            fed += 1;
            if feeding.feed(&input) {
                taken += 1;
                if pool.len() < POOL {
                    pool.push(input);
                } else {
                    let place = random.random_range(self.seeds.len().min(POOL - 1)..POOL);
                    if let Some(place) = pool.get_mut(place) {
                        *place = input;
                    }
                }
            }
            if fed.is_multiple_of(256) {
                feeding.check_memory(memory);
            }
        }
        feeding.check_memory(memory);
        let seconds = begun.elapsed().as_secs();
        say(&format!(
            "{}: seed {seed}, {fed} inputs in {seconds} s, {taken} of them taken, none broke it",
            self.name
        ));
    }

    /// What was found before.
    fn kept(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(&self.corpus).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
            .iter()
            .filter_map(|file| std::fs::read(file).ok())
            .collect()
    }

    fn keep(&self, input: &[u8]) -> PathBuf {
        let mut name = String::new();
        for byte in Sha256::digest(input).iter().take(8) {
            let _ = write!(name, "{byte:02x}");
        }
        let file = self.corpus.join(name);
        let written =
            std::fs::create_dir_all(&self.corpus).and_then(|()| std::fs::write(&file, input));
        if let Err(error) = written {
            say(&format!("{}: it cannot be kept: {error}", file.display()));
        }
        file
    }
}

struct Feeding<'a, P> {
    target: &'a Target,
    property: &'a P,
    seed: u64,
}

impl<P: Fn(&[u8]) -> bool> Feeding<'_, P> {
    /// Whether the input was taken.
    fn feed(&self, input: &[u8]) -> bool {
        match self.try_one(input) {
            Ok(taken) => taken,
            Err(reason) => self.found(input, &reason),
        }
    }

    fn try_one(&self, input: &[u8]) -> Result<bool, String> {
        let begun = Instant::now();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (self.property)(input)));
        match outcome {
            Ok(_) if begun.elapsed() > SLOWEST => Err(format!("it took {:?}", begun.elapsed())),
            Ok(taken) => Ok(taken),
            Err(reason) => Err(words(reason.as_ref())),
        }
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn found(&self, input: &[u8], reason: &str) -> ! {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let smallest = self.smaller(input.to_vec());
        panic::set_hook(hook);
        let file = self.target.keep(&smallest);
        panic!(
            "{} with seed {}: {reason}\nthe smallest such input, kept in {}:\n{}",
            self.target.name,
            self.seed,
            file.display(),
            String::from_utf8_lossy(&smallest)
        );
    }

    /// Takes parts away as long as what is left breaks it, too.
    fn smaller(&self, mut input: Vec<u8>) -> Vec<u8> {
        let until = Instant::now() + SMALLER_WITHIN;
        // Members and items first: bytes taken out of a document mostly leave none.
        while Instant::now() < until {
            let known = input.len();
            let found = simpler(&input)
                .take_while(|_| Instant::now() < until)
                .find(|simpler| simpler.len() < known && self.try_one(simpler).is_err());
            match found {
                Some(found) => input = found,
                None => break,
            }
        }
        let mut part = input.len() / 2;
        while part > 0 {
            let mut from = 0;
            while from < input.len() && Instant::now() < until {
                let end = input.len().min(from + part);
                let mut without = input.clone();
                without.drain(from..end);
                if self.try_one(&without).is_err() {
                    input = without;
                } else {
                    from = end;
                }
            }
            part /= 2;
        }
        input
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn check_memory(&self, before: Option<u64>) {
        let (Some(before), Some(now)) = (before, most_memory_kib()) else {
            return;
        };
        if now > before + MEMORY_KIB {
            panic!(
                "{} with seed {}: {} KiB of memory more than before",
                self.target.name,
                self.seed,
                now - before
            );
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

#[expect(clippy::print_stdout, reason = "the seed belongs to the report")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
#[allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test they are the report"
)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("storelink-fuzz-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_planted_fault_is_found_made_small_and_looked_for_again() {
        let folder = folder("planted");
        let target = || {
            Target::new("planted", &folder)
                .seed(r#"{"name":"a","list":[{"number":1},{"number":2}]}"#)
        };
        let property = |input: &[u8]| {
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(input) else {
                return false;
            };
            let number = value.pointer("/list/1/number");
            assert!(number.is_none_or(|number| !number.is_array()), "a list");
            true
        };
        let found = panic::catch_unwind(|| target().run(property)).unwrap_err();
        let words = words(found.as_ref());
        assert!(
            words.contains("seed") && words.contains("a list"),
            "{words}"
        );
        let kept = target().kept();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(kept[0].len() < 45, "{}", String::from_utf8_lossy(&kept[0]));
        // With nothing to begin from, the kept input alone shows it.
        let again = panic::catch_unwind(|| Target::new("planted", &folder).short(0).run(property));
        assert!(again.is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let sequence = || {
            let inputs = std::cell::RefCell::new(Vec::new());
            Target::new("sequence", folder("sequence"))
                .seed(r#"{"a":[1]}"#)
                .short(300)
                .run(|input| {
                    inputs.borrow_mut().push(input.to_vec());
                    input.first() == Some(&b'{')
                });
            inputs.into_inner()
        };
        assert_eq!(sequence(), sequence());
        assert!(std::env::var(SECONDS).is_ok() || sequence().len() == 301);
    }
}
