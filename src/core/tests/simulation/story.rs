//! The story of a history as it is told: whoever wants to follow it reads it, and its hash names it. Two runs of a seed
//! with one hash went through the same events, records and live states in the same order.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

pub struct Story {
    hash: Sha256,
    aloud: bool,
}

impl Story {
    /// `aloud`: all of it is printed.
    pub fn new(aloud: bool) -> Story {
        Story { hash: Sha256::new(), aloud }
    }

    /// Tells one line. Nothing of it may differ between two runs: no address, no order of a hash table.
    pub fn tell(&mut self, line: fmt::Arguments<'_>) {
        if self.aloud {
            println!("{line}");
        }
        // Writing to a hash cannot fail.
        let _never = writeln!(Hashing(&mut self.hash), "{line}");
    }

    /// The first 64 bits of the SHA-256 over every line, in hexadecimal digits: 10,000 histories of which two different
    /// ones have the same are not to be expected.
    pub fn hash(&self) -> String {
        let hash = self.hash.clone().finalize();
        hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
