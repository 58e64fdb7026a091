//! Text from outside: which characters are never shown as they are.

/// Whether a terminal or a reader may be misled by a character: controls (C0, C1, DEL), separators of lines, and what
/// changes the direction or the joining of what is around it. Shown, it is `char::escape_unicode`.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
