//! What is looked at before the parser runs: size, depth, and that only words of the subset are there. The parser
//! itself bounds neither its time nor its memory, so nothing that could cost either gets as far.

use super::{ConditionError, Subject};

/// Bytes of one expression. The longest of a large organisation's that were looked at have a few hundred.
const LENGTH: usize = 2048;

/// Brackets within brackets, and choices (`? :`) in one expression. The parser descends a dozen calls for each.
const DEPTH: usize = 16;

/// Words and signs in one expression: the work of the parser grows with them.
const TOKENS: usize = 400;

/// The functions of the subset; each is called on a text.
pub(super) const FUNCTIONS: [&str; 5] = ["startsWith", "endsWith", "contains", "lowerAscii", "upperAscii"];

/// Refuses what is not of the subset, with its place.
pub(super) fn scan(text: &str, subjects: &[Subject]) -> Result<(), ConditionError> {
    if text.len() > LENGTH {
        return Err(ConditionError::new(
            LENGTH,
            format!("The expression has {} bytes; {LENGTH} is the limit.", text.len()),
        ));
    }
    let tokens = split(text)?;
    if let Some(token) = tokens.get(TOKENS) {
        return Err(ConditionError::new(
            token.offset,
            format!("The expression has more than {TOKENS} words and signs."),
        ));
    }
    depth(&tokens)?;
    words(&tokens, subjects)
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    offset: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }
}

fn split(text: &str) -> Result<Vec<Token<'_>>, ConditionError> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut offset = 0;
    while let Some(first) = text[offset..].chars().next() {
        let rest = &text[offset..];
        let length = match first {
            ' ' | '\t' | '\n' | '\r' => {
                offset += 1;
                continue;
            }
            '\'' | '"' => quoted(rest, offset, tokens.last())?,
            'a'..='z' | 'A'..='Z' | '_' => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => sign(rest).ok_or_else(|| foreign(rest, first, offset))?,
        };
        tokens.push(Token { offset, text: &rest[..length] });
        offset += length;
    }
    Ok(tokens)
}

/// The length of a quoted text, quotes included.
fn quoted(rest: &str, offset: usize, before: Option<&Token<'_>>) -> Result<usize, ConditionError> {
    let quote = rest.as_bytes()[0];
    if let Some(before) = before
        && before.offset + before.text.len() == offset
        && (before.is_word() || before.text.as_bytes()[0] == quote)
    {
        return Err(ConditionError::new(
            before.offset,
            "Only plain quotes are known here: no triple quotes, no raw texts, no bytes.".into(),
        ));
    }
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => {
                if !matches!(byte, b'\\' | b'\'' | b'"') {
                    return Err(ConditionError::new(
                        offset + at,
                        "After a backslash only a quote or a backslash may stand.".into(),
                    ));
                }
                escaped = false;
            }
            b'\\' => escaped = true,
            b'\n' | b'\r' => break,
            _ if byte == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(ConditionError::new(offset, "This quote is never closed.".into()))
}

fn sign(rest: &str) -> Option<usize> {
    const SIGNS: [&str; 14] = ["==", "!=", "&&", "||", "!", "+", "(", ")", "[", "]", ",", ".", "?", ":"];
    SIGNS.iter().find(|sign| rest.starts_with(**sign)).map(|sign| sign.len())
}

fn foreign(rest: &str, first: char, offset: usize) -> ConditionError {
    let error = ConditionError::new(offset, format!("`{}` means nothing here.", first.escape_debug()));
    match first {
        '=' => error.hint("write `==` to compare"),
        '&' => error.hint("write `&&`"),
        '|' => error.hint("write `||`"),
        '0'..='9' => error.hint("there are no numbers here: all fields are texts, so quote it"),
        '{' => error.hint("there are no maps here"),
        '<' | '>' | '-' | '*' | '/' | '%' => {
            error.hint("texts are compared with `==`, `!=`, `in`, `startsWith`, `endsWith` and `contains`")
        }
        _ if rest.starts_with(['‘', '’', '“', '”']) => error.hint("use plain quotes: '"),
        _ if !first.is_ascii() => error.hint("letters beyond a-z stand in quotes"),
        _ => error,
    }
}

fn depth(tokens: &[Token<'_>]) -> Result<(), ConditionError> {
    let (mut open, mut choices) = (0_usize, 0_usize);
    for token in tokens {
        match token.text {
            "(" | "[" => open += 1,
            ")" | "]" => open = open.saturating_sub(1),
            "?" => choices += 1,
            _ => {}
        }
        if open > DEPTH || choices > DEPTH {
            return Err(ConditionError::new(
                token.offset,
                format!("The expression is nested more than {DEPTH} deep."),
            ));
        }
    }
    Ok(())
}

fn words(tokens: &[Token<'_>], subjects: &[Subject]) -> Result<(), ConditionError> {
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_word()) {
        let called = tokens.get(index + 1).is_some_and(|next| next.text == "(") && token.text != "in";
        let selected = index > 0 && tokens[index - 1].text == ".";
        match (called, selected) {
            (true, _) => function(token, selected)?,
            (false, true) => {}
            (false, false) => root(token, subjects)?,
        }
    }
    Ok(())
}

fn function(token: &Token<'_>, selected: bool) -> Result<(), ConditionError> {
    if selected && FUNCTIONS.contains(&token.text) {
        return Ok(());
    }
    let error =
        ConditionError::new(token.offset, format!("`{}` is no function that is known here.", token.text));
    Err(match token.text {
        "has" => error.hint("an absent field is the empty text: compare with `!= ''`"),
        "all" | "exists" | "exists_one" | "map" | "filter" => {
            error.hint("there are no comprehensions here: use `in`, `&&` and `||`")
        }
        "matches" => {
            error.hint("there are no regular expressions here: use `startsWith`, `endsWith`, `contains`")
        }
        known if FUNCTIONS.contains(&known) => {
            error.hint(&format!("call it on a text: `person.department.{known}(…)`"))
        }
        other => match super::nearest(other, FUNCTIONS) {
            Some(near) => error.hint(&format!("did you mean `{near}`?")),
            None => error.hint(&format!("known are {}", FUNCTIONS.join(", "))),
        },
    })
}

fn root(token: &Token<'_>, subjects: &[Subject]) -> Result<(), ConditionError> {
    if matches!(token.text, "true" | "false" | "in")
        || subjects.iter().any(|subject| subject.root() == token.text)
    {
        return Ok(());
    }
    let error = ConditionError::new(token.offset, format!("`{}` is not known here.", token.text));
    if let Some(subject) = subjects.iter().find(|subject| subject.field(token.text).is_some()) {
        return Err(error.hint(&format!("did you mean `{}.{}`?", subject.root(), token.text)));
    }
    Err(match super::nearest(token.text, subjects.iter().map(|subject| subject.root())) {
        Some(near) => error.hint(&format!("did you mean `{near}`?")),
        None if matches!(token.text, "person" | "service") => {
            error.hint("one expression is about a person or about a service, not both")
        }
        None => error.hint(&format!("a text stands in quotes: '{}'", token.text)),
    })
}
