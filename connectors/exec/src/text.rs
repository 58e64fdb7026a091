//! What a program writes, made fit for a log or an error: without secrets, on one line, of bounded length.

use provost_sdk::{ExposeSecret, SecretString, is_hostile};

/// Shorter parts of a secret are not looked for: they occur in text by accident, and give little away.
const SHORTEST: usize = 4;

/// Characters of what a program said that are told with what is wrong about it.
pub(crate) const LONGEST_REASON: usize = 300;

/// The secrets of one target, and how text is freed of them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Each secret, and each line of those that have several.
    pub(crate) fn new<'s>(secrets: impl Iterator<Item = &'s SecretString>) -> Secrets {
        let mut parts: Vec<String> = Vec::new();
        for secret in secrets.map(ExposeSecret::expose_secret) {
            parts.push(secret.to_owned());
            parts.extend(secret.lines().map(str::to_owned));
        }
        parts.retain(|part| part.len() >= SHORTEST);
        // The whole before its lines, and what contains another before it.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Secrets(parts.into_iter().map(SecretString::from).collect())
    }

    /// The text as it may be shown: at most `limit` characters of it, and a sign where more were there.
    pub(crate) fn shown(&self, bytes: &[u8], limit: usize) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for secret in &self.0 {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), "[secret]");
            }
        }
        let mut shown = String::with_capacity(text.len().min(limit));
        for (index, character) in text.trim_end().chars().enumerate() {
            if index == limit {
                shown.push('…');
                break;
            }
            match is_hostile(character) {
                true => shown.extend(character.escape_unicode()),
                false => shown.push(character),
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_lines_are_not_shown() {
        let secrets = [SecretString::from("hunter2\nsecond line"), SecretString::from("ab")];
        let secrets = Secrets::new(secrets.iter());
        assert_eq!(secrets.shown(b"got hunter2 and second line, ab", 100), "got [secret] and [secret], ab");
    }

    #[test]
    fn controls_are_escaped_and_long_text_is_cut() {
        let secrets = Secrets::default();
        assert_eq!(secrets.shown(b"a\x1b[31mb\r\nc\xff\n", 100), "a\\u{1b}[31mb\\u{d}\\u{a}c\u{fffd}");
        assert_eq!(secrets.shown("\u{202e}x".as_bytes(), 100), "\\u{202e}x");
        assert_eq!(secrets.shown(b"abcdef", 3), "abc…");
    }
}
