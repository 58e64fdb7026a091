//! Whether text is canonical JSON, without building a value of it: the common case of a verifier, at the speed of reading.

/// How deep a value may be here; deeper ones are left to the slow way.
const MAX_DEPTH: usize = 64;

/// True if the text certainly is canonical JSON (RFC 8785) of one line. False says nothing: characters outside of ASCII,
/// escapes and numbers with more than fifteen digits or a fraction are left to whoever writes the value anew.
pub(crate) fn is_plainly_canonical(text: &str) -> bool {
    let mut at = Scanner { bytes: text.as_bytes(), at: 0 };
    at.value(0).is_some() && at.at == text.len()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.integer(),
        }
    }

    /// Names in order, each once. Of ASCII the order of bytes is that of UTF-16 units, which RFC 8785 asks for.
    fn object(&mut self, depth: usize) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let name = self.string()?;
            if before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
            self.take(b':')?;
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// A string of printable ASCII without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let rest = &self.bytes[self.at..];
        let len =
            rest.iter().position(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\'))?;
        self.at += len;
        self.take(b'"')?;
        Some(&rest[..len])
    }

    fn integer(&mut self) -> Option<()> {
        let negative = self.take(b'-').is_some();
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // As doubles, which RFC 8785 takes all numbers for, these are exact.
        let plain = (1..=15).contains(&digits) && (rest[0] != b'0' || (digits == 1 && !negative));
        self.at += digits;
        (plain && !matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_plainly_canonical;
    use crate::message::canonical_json;

    #[test]
    fn what_is_taken_here_is_written_just_so_and_nothing_else() {
        let all = [
            "{}",
            "[]",
            "null",
            "true",
            "false",
            "0",
            "-1",
            "123456789012345",
            r#""""#,
            r#""a b~""#,
            r#"{"":0}"#,
            r#"{"a":1,"b":[{"c":{}},[]]}"#,
            r#"{"a":{"x":"y"},"aa":2,"b":null}"#,
        ];
        let others = [
            "",
            " {}",
            "{} ",
            "{ }",
            "[1, 2]",
            "[1,]",
            "{\"a\":1,}",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            "01",
            "-0",
            "1.0",
            "1e3",
            "+1",
            "-",
            "tru",
            "nul",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{a:1}"#,
            "[",
            "{",
            "\"",
            "\"a",
            "\"\n\"",
            "1]",
            "[]]",
            "{}{}",
        ];
        for text in all {
            assert!(is_plainly_canonical(text), "{text}");
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(canonical_json(&value).unwrap(), text);
        }
        for text in others {
            assert!(!is_plainly_canonical(text), "{text}");
        }
        // Not wrong, but not for here.
        for text in [r#""\n""#, r#""ä""#, "1234567890123456"] {
            assert!(!is_plainly_canonical(text), "{text}");
        }
        assert!(!is_plainly_canonical(&"[".repeat(100_000)));
    }

    #[test]
    fn one_byte_of_another_kind_is_never_passed_over() {
        let text = r#"{"a":{"b":[1,-20,true,null,"x y"],"c":""},"d":false}"#;
        for place in 0..text.len() {
            for byte in 0..=127_u8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[place] = byte;
                let altered = String::from_utf8(bytes).unwrap();
                if is_plainly_canonical(&altered) {
                    let value: serde_json::Value = serde_json::from_str(&altered).unwrap();
                    assert_eq!(canonical_json(&value).unwrap(), altered);
                }
            }
        }
    }
}
