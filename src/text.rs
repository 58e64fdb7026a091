//! Text from outside, made safe to show: names of people and of targets are hostile until shown otherwise.

use provost_sdk::is_hostile;

/// The text on one line, with control characters, line breaks and bidirectional controls made visible.
pub fn safe(text: &str) -> String {
    escape(text, |_| false)
}

/// The same for text of several lines.
pub fn safe_block(text: &str) -> String {
    escape(text, |character| character == '\n')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    if !text.chars().any(|character| is_hostile(character) && !keep(character)) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hostile(character) && !keep(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidi_characters_are_shown_and_do_not_act() {
        assert_eq!(safe("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\u{a}d");
        assert_eq!(safe_block("a\nb\r"), "a\nb\\u{d}");
        assert_eq!(safe("Zoë Müller 李"), "Zoë Müller 李");
    }
}
