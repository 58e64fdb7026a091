//! Texts without quotes that some YAML reader takes for something else, and characters that a reader cannot see.
//!
//! [`is_ordinary`] is the only shortcut of reading: it may only say that a check is unnecessary.

/// What a text without quotes is read as, by a reader of YAML 1.1 or 1.2, instead of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    Yes,
    No,
    Number,
    /// By one version of YAML only, or by each as something else.
    Unclear,
}

/// What a text without quotes is taken for; None where every reader agrees that it is a text.
pub(super) fn taken(text: &str) -> Option<Taken> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Taken::Nothing),
        "true" | "True" | "TRUE" => return Some(Taken::Yes),
        "false" | "False" | "FALSE" => return Some(Taken::No),
        "<<" | "=" => return Some(Taken::Unclear),
        _ => {}
    }
    let first = text.bytes().next()?;
    if first.is_ascii_alphabetic() {
        let unclear = ["y", "n", "yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word));
        return unclear.then_some(Taken::Unclear);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_decimal = unsigned.bytes().all(|byte| byte.is_ascii_digit()) && !unsigned.is_empty();
    if is_decimal {
        let clear = !text.starts_with('+') && (unsigned == "0" || !unsigned.starts_with('0'));
        return Some(if clear { Taken::Number } else { Taken::Unclear });
    }
    let begins_like_a_number =
        unsigned.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.');
    if !begins_like_a_number {
        return None;
    }
    let is_float = unsigned.bytes().any(|byte| byte.is_ascii_digit()) && unsigned.parse::<f64>().is_ok();
    if is_float {
        return Some(Taken::Number);
    }
    let named = ["inf", "nan"].iter().any(|name| unsigned[1..].eq_ignore_ascii_case(name));
    let based = ["0x", "0o", "0b", "0X", "0O", "0B"].iter().any(|base| unsigned.starts_with(base))
        && unsigned[2..].bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
    // Digits in groups (1_000) and by sixty (12:30): numbers in YAML 1.1.
    let grouped = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b':' | b'.'))
        && unsigned.contains(['_', ':'])
        && unsigned.bytes().filter(|byte| *byte == b'.').count() <= 1;
    (named && unsigned.starts_with('.') || based || grouped).then_some(Taken::Unclear)
}

/// A character that changes how a line looks without being seen, or ends a line for some readers only.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t' && c != '\r')
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether nothing in a text can be an anchor, an alias, a tag, an escape, a second document, something deep, a
/// hidden character, or a text that some reader takes for something else. It errs to the side of no.
pub(super) fn is_ordinary(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !text.is_ascii() && text.chars().any(is_hidden) {
        return false;
    }
    let (mut depth, mut start, mut after_dash) = (0_usize, 0, false);
    for (place, byte) in bytes.iter().copied().chain([b'\n']).enumerate() {
        match byte {
            b'&' | b'*' | b'!' | b'\\' | b'?' | b'%' | b'|' | b'>' | b'\t' | b'\r' | 0x7f => return false,
            b'\n' | b' ' | b',' | b'[' | b']' | b'{' | b'}' => {
                let token = &text[start..place];
                let repeated_dash = token == "-" && after_dash;
                // A dash before a bracket, a comment right behind one: some readers take it, others refuse.
                let lone_dash = token == "-" && !matches!(byte, b' ' | b'\n');
                let begins_apart = start == 0 || matches!(bytes[start - 1], b' ' | b'\n');
                let close_comment = token.starts_with('#') && !begins_apart;
                if repeated_dash
                    || lone_dash
                    || close_comment
                    || !is_ordinary_token(token.strip_suffix(':').unwrap_or(token))
                {
                    return false;
                }
                after_dash = byte == b' ' && (token == "-" || token.is_empty() && after_dash);
                depth += usize::from(matches!(byte, b'[' | b'{'));
                start = place + 1;
            }
            0..b' ' => return false,
            _ => {}
        }
    }
    // As many brackets as this open deep structures, or one long list of short ones: both are rare.
    depth < 64
}

fn is_ordinary_token(token: &str) -> bool {
    match token.as_bytes() {
        [] => true,
        [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..] => false,
        // A key in quotes may have its value without a space in between; a comment may not follow so.
        bytes if bytes.windows(2).any(|pair| matches!(pair, [b'"' | b'\'', b':' | b'#'])) => false,
        [b'0'..=b'9' | b'+' | b'-' | b'.' | b'~' | b'<' | b'=', rest @ ..]
            if !rest.is_empty() || token != "-" =>
        {
            taken(token).is_none()
        }
        [b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O', ..] => taken(token).is_none(),
        _ => true,
    }
}
