//! Distinguished names (RFC 4514): read, compared and written.

use std::fmt;

use ldap3::dn_escape;

/// Longer names are no names: it keeps what a server sends from being held without end.
const LONGEST: usize = 8 * 1024;

/// A distinguished name as it was written, and its parts.
#[derive(Clone, Debug)]
pub(crate) struct Dn {
    text: String,
    rdns: Vec<Vec<(String, String)>>,
}

/// A text that is no distinguished name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no distinguished name, such as `ou=people,dc=example,dc=org`.")]
pub(crate) struct NoDn(String);

impl Dn {
    /// Reads one. Values in hexadecimal (`#0403...`) are kept as they are written.
    pub(crate) fn parse(text: &str) -> Result<Dn, NoDn> {
        let no = || NoDn(text.chars().take(200).collect());
        if text.len() > LONGEST {
            return Err(no());
        }
        let mut rdns = Vec::new();
        if !text.trim().is_empty() {
            for rdn in split(text, b',') {
                let parts = split(rdn, b'+').into_iter().map(|part| {
                    let (name, value) = part.split_once('=')?;
                    let name = name.trim();
                    (!name.is_empty()).then_some((name.to_owned(), unescape(value)?))
                });
                rdns.push(parts.collect::<Option<Vec<_>>>().ok_or_else(no)?);
            }
        }
        Ok(Dn { text: text.to_owned(), rdns })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The attribute and the value of its first part; `None` where that has several, or none.
    pub(crate) fn first(&self) -> Option<(&str, &str)> {
        match self.rdns.first()?.as_slice() {
            [(name, value)] => Some((name, value)),
            _ => None,
        }
    }

    /// A name under this one.
    pub(crate) fn child(&self, attribute: &str, value: &str) -> String {
        match self.rdns.is_empty() {
            true => rdn(attribute, value),
            false => format!("{},{}", rdn(attribute, value), self.text),
        }
    }

    /// The same with another first part.
    pub(crate) fn renamed(&self, attribute: &str, value: &str) -> String {
        let above = split(&self.text, b',').split_off(1);
        std::iter::once(rdn(attribute, value))
            .chain(above.into_iter().map(str::to_owned))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The form under which equal names are equal text.
    pub(crate) fn key(&self) -> String {
        let rdns: Vec<String> = self.rdns.iter().map(|rdn| folded(rdn)).collect();
        rdns.join(",")
    }

    /// Whether this is `base` or under it.
    pub(crate) fn is_within(&self, base: &Dn) -> bool {
        let above = self.rdns.len().checked_sub(base.rdns.len());
        above.is_some_and(|above| {
            self.rdns[above..].iter().map(|rdn| folded(rdn)).eq(base.rdns.iter().map(|rdn| folded(rdn)))
        })
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One part of a name.
pub(crate) fn rdn(attribute: &str, value: &str) -> String {
    format!("{attribute}={}", dn_escape(value))
}

/// The form under which equal names are equal text, of what a server wrote; what is no name stays as it is.
pub(crate) fn key(text: &str) -> String {
    // Most names of a directory need no more than small letters.
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=,-_.@".contains(&byte));
    match plain && text.matches('=').count() == text.matches(',').count() + 1 {
        true => text.to_ascii_lowercase(),
        false => Dn::parse(text).map_or_else(|_| text.to_owned(), |dn| dn.key()),
    }
}

/// One part, folded: attribute and value in small letters, blanks as a server compares them, in order.
fn folded(parts: &[(String, String)]) -> String {
    let mut folded: Vec<String> = parts
        .iter()
        .map(|(name, value)| {
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            rdn(&name.to_ascii_lowercase(), &words.join(" ").to_lowercase())
        })
        .collect();
    folded.sort();
    folded.join("+")
}

/// Splits where the separator stands outside of quotes and is not escaped. (RFC 2253's `;` and quotes are old, and read.)
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            byte if !quoted && (byte == separator || separator == b',' && byte == b';') => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The value that a text stands for; `None` where it stands for none.
fn unescape(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    let mut bytes = Vec::with_capacity(text.len());
    // Blanks at the end count only where they are escaped.
    let mut kept = 0;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, rest) {
            (b'\\', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = after;
                kept = bytes.len();
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                rest = after;
                kept = bytes.len();
            }
            (b'\\', []) => return None,
            (b'"', _) => {}
            (byte, _) => {
                bytes.push(*byte);
                if *byte != b' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        digit => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for (left, right) in [
            ("uid=ada,ou=people,dc=example,dc=org", "UID = Ada, OU=People , dc=EXAMPLE,dc=org"),
            (r"cn=Osei\, Ada,dc=x", r#"CN="Osei, Ada",dc=x"#),
            (r"cn=Osei\2C Ada,dc=x", r"cn=osei\,  ada,dc=x"),
            ("cn=a+uid=b,dc=x", "UID=B+CN=A;DC=X"),
            (r"cn=Zo\c3\ab,dc=x", "cn=ZOË,dc=x"),
            (r"cn=a\20,dc=x", "cn=a,dc=x"),
        ] {
            assert_eq!(key(left), key(right), "{left} {right}");
        }
        assert_ne!(key("cn=a,dc=x"), key(r"cn=a\,dc=x"));
        assert_ne!(key("cn=a+b=c,dc=x"), key(r"cn=a\+b=c,dc=x"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let base = Dn::parse("ou=people,dc=x").unwrap();
        for value in ["ada", " a", "a ", "#a", "a,b=c+d", "\"", "\\", "Zoë 🙂", "a#b;<>", "\u{0}"] {
            let dn = Dn::parse(&base.child("uid", value)).unwrap();
            assert_eq!(dn.first(), Some(("uid", value)), "{dn}");
            assert!(dn.is_within(&base), "{dn}");
            assert_eq!(dn.renamed("uid", "eve"), "uid=eve,ou=people,dc=x");
        }
        assert_eq!(Dn::parse("cn=a+uid=b,dc=x").unwrap().first(), None);
    }

    #[test]
    fn only_what_is_under_a_name_is_within_it() {
        let base = Dn::parse("OU=People,dc=x").unwrap();
        let within = |text: &str| Dn::parse(text).unwrap().is_within(&base);
        assert!(within("ou=people,dc=x") && within("uid=a,ou=b,ou=people,DC=X"));
        assert!(!within("ou=morepeople,dc=x") && !within("dc=x") && !within(r"cn=a\,ou=people,dc=x"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["ada", "=a,dc=x", "a=b,,c=d", "a=b\\", r"a=\ff", &format!("a={}", "x".repeat(9_000))] {
            assert!(Dn::parse(text).is_err(), "{text:.20}");
        }
        assert!(Dn::parse("").unwrap().first().is_none());
    }
}
