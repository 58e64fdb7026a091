//! Text to [`Filter`]: a recursive descent over the grammar of RFC 7644, section 3.4.2.2, bounded in length, depth and
//! number of comparisons.
//!
//! Beyond the grammar: any white space separates words, and `emails[type eq "work"].value eq "x"` (which clients write)
//! means `emails[type eq "work" and value eq "x"]`.

use super::{Filter, Literal, Op};
use crate::error::Refusal;
use crate::path::{AttrPath, shortened};

/// Longest filter, in bytes. Clients that look up many resources at once write chains of `or` of some kilobytes.
pub(crate) const MAX_LENGTH: usize = 32 * 1024;
/// Deepest nesting of brackets: far above what clients write, far below what threatens the stack.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most comparisons in a filter: each is evaluated on every resource that an index cannot exclude.
pub(crate) const MAX_COMPARISONS: usize = 1_000;

/// Parses a whole filter.
pub(crate) fn parse(text: &str) -> Result<Filter, Refusal> {
    let mut parser = Parser::new(text)?;
    let filter = parser.disjunction()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("the filter should end"));
    }
    Ok(filter)
}

/// Parses a filter that ends before the `]` which closes it; the second part of the answer is what follows that `]`.
pub(crate) fn parse_prefix(text: &str) -> Result<(Filter, &str), Refusal> {
    let mut parser = Parser::new(text)?;
    parser.depth = 1;
    let filter = parser.disjunction()?;
    parser.expect(b']')?;
    Ok((filter, &text[parser.at..]))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    comparisons: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_LENGTH {
            return Err(Refusal::invalid_filter(format!("The filter is longer than {MAX_LENGTH} bytes.")));
        }
        Ok(Self { text, at: 0, depth: 0, comparisons: 0 })
    }

    fn disjunction(&mut self) -> Result<Filter, Refusal> {
        let mut parts = vec![self.conjunction()?];
        while self.keyword("or") {
            parts.push(self.conjunction()?);
        }
        Ok(Filter::or(parts))
    }

    fn conjunction(&mut self) -> Result<Filter, Refusal> {
        let mut parts = vec![self.term()?];
        while self.keyword("and") {
            parts.push(self.term()?);
        }
        Ok(Filter::and(parts))
    }

    fn term(&mut self) -> Result<Filter, Refusal> {
        self.space();
        if self.peek() == Some(b'(') {
            return self.group();
        }
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("not") {
            self.space();
            if self.peek() == Some(b'(') {
                return Ok(Filter::Not(Box::new(self.group()?)));
            }
        }
        if word.is_empty() {
            return Err(self.error("an attribute is expected"));
        }
        let path = AttrPath::parse(word).map_err(Refusal::invalid_filter)?;
        if path.name.is_empty() {
            self.at = start;
            return Err(self.error("an attribute is expected, not a schema alone"));
        }
        if self.peek() == Some(b'[') { self.element(path) } else { self.comparison(path) }
    }

    fn group(&mut self) -> Result<Filter, Refusal> {
        self.expect(b'(')?;
        self.deeper()?;
        let inner = self.disjunction()?;
        self.depth -= 1;
        self.expect(b')')?;
        Ok(inner)
    }

    fn element(&mut self, path: AttrPath) -> Result<Filter, Refusal> {
        self.expect(b'[')?;
        self.deeper()?;
        let inner = self.disjunction()?;
        self.depth -= 1;
        self.expect(b']')?;
        if self.peek() != Some(b'.') {
            return Ok(Filter::Element(path, Box::new(inner)));
        }
        self.at += 1;
        let sub = AttrPath::parse(self.word()).map_err(Refusal::invalid_filter)?;
        let compared = self.comparison(sub)?;
        Ok(Filter::Element(path, Box::new(Filter::and(vec![inner, compared]))))
    }

    fn comparison(&mut self, path: AttrPath) -> Result<Filter, Refusal> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(Refusal::invalid_filter(format!(
                "The filter has more than {MAX_COMPARISONS} comparisons."
            )));
        }
        self.space();
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(op) = Op::ALL.into_iter().find(|op| op.name().eq_ignore_ascii_case(word)) else {
            self.at = start;
            return Err(self.error("an operator (eq, ne, co, sw, ew, pr, gt, ge, lt, le) is expected"));
        };
        Ok(Filter::Compare(path, op, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        self.space();
        if self.peek() == Some(b'"') {
            return self.string();
        }
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("true") {
            return Ok(Literal::Boolean(true));
        }
        if word.eq_ignore_ascii_case("false") {
            return Ok(Literal::Boolean(false));
        }
        if word.eq_ignore_ascii_case("null") {
            return Ok(Literal::Null);
        }
        // `parse` would also take "inf" and "nan".
        let numeric = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        match word.parse::<f64>() {
            Ok(number) if numeric && number.is_finite() => Ok(Literal::Number(number)),
            _ => {
                self.at = start;
                Err(self
                    .error("a value is expected: a string in double quotes, a number, true, false or null"))
            }
        }
    }

    fn string(&mut self) -> Result<Literal, Refusal> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        // An escape before the last character may lead past the end or into a character: `get` refuses both.
        let quoted = self.text.get(self.at..=end).ok_or_else(|| self.error("a string is not closed"))?;
        let text = serde_json::from_str(quoted).map_err(|_| self.error("a string is not valid JSON"))?;
        self.at = end + 1;
        Ok(Literal::Text(text))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let before = self.at;
        self.space();
        if self.word().eq_ignore_ascii_case(keyword) {
            return true;
        }
        self.at = before;
        false
    }

    /// Takes everything up to white space, a bracket or a quote.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"'))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        self.space();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(&format!("'{}' is expected", char::from(byte))))
    }

    fn deeper(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Refusal::invalid_filter(format!(
                "The filter is nested deeper than {MAX_DEPTH} levels."
            )));
        }
        Ok(())
    }

    fn error(&self, what: &str) -> Refusal {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let near = if rest.is_empty() { "the end".to_owned() } else { format!("'{}'", shortened(rest)) };
        Refusal::invalid_filter(format!("The filter is malformed at {near}: {what}."))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = AttrPath> {
        let schema = prop_oneof![
            4 => Just(None),
            1 => Just(Some(crate::schema::USER.to_owned())),
            1 => Just(Some(crate::schema::ENTERPRISE.to_owned())),
            1 => Just(Some("urn:example:thing:1.5".to_owned())),
        ];
        let name = "\\$?[a-zA-Z][a-zA-Z0-9_-]{0,8}";
        (schema, name, proptest::option::of(name)).prop_map(|(schema, name, sub)| AttrPath {
            schema,
            name,
            sub,
        })
    }

    fn literal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            any::<String>().prop_map(Literal::Text),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Literal::Number),
            any::<bool>().prop_map(Literal::Boolean),
            Just(Literal::Null),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let leaf = prop_oneof![
            (path(), proptest::sample::select(Op::ALL.to_vec()), literal())
                .prop_map(|(path, op, literal)| Filter::Compare(path, op, literal)),
            path().prop_map(Filter::Present),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::and),
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::or),
                inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
                (path(), inner).prop_map(|(path, f)| Filter::Element(path, Box::new(f))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(filter in filter()) {
            let text = filter.to_string();
            prop_assert_eq!(parse(&text).map_err(|e| e.detail), Ok(filter), "{}", text);
        }

        #[test]
        fn no_input_panics(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_that_resembles_a_filter_panics(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "userName", "eq", "\"a\"", "\"a\\", "\"é", "and", "or", "not", "(", ")", "[", "]", ".value", "pr",
                    "1e9", "true", "urn:x:2.0:y", " ", "\\", "emails[", "\u{a0}",
                ]),
                0..20,
            ),
            separator in proptest::sample::select(vec!["", " "]),
        ) {
            let _ = parse(&words.join(separator));
            let _ = parse_prefix(&words.join(separator));
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_needs_brackets() -> Result<(), Refusal> {
        let printed = |text: &str| Ok::<_, Refusal>(format!("{:?}", parse(text)?));
        assert_eq!(printed("a pr or b pr and c pr")?, printed("a pr or (b pr and c pr)")?);
        assert_ne!(printed("(a pr or b pr) and c pr")?, printed("a pr or b pr and c pr")?);
        assert_eq!(printed("not(a pr) and b pr")?, printed("(not (a pr)) AND b PR")?);
        assert_eq!(
            parse("not pr")?,
            Filter::Present(AttrPath { schema: None, name: "not".into(), sub: None })
        );
        Ok(())
    }

    #[test]
    fn a_sub_attribute_after_a_value_path_joins_its_condition() -> Result<(), Refusal> {
        assert_eq!(
            parse("emails[type eq \"work\"].value eq \"x\"")?,
            parse("emails[type eq \"work\" and value eq \"x\"]")?
        );
        Ok(())
    }

    #[test]
    fn malformed_filters_are_refused_as_invalid_filter() {
        let many = vec!["a pr"; MAX_COMPARISONS + 1].join(" or ");
        let deep = format!("{}a pr{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
        let long = format!("a eq \"{}\"", "x".repeat(MAX_LENGTH));
        for text in [
            "",
            " ",
            "userName",
            "userName eq",
            "userName foo \"x\"",
            "userName eq x",
            "userName eq \"x",
            "(a pr",
            "a pr)",
            "a pr and",
            "and a pr",
            "a[b pr",
            "a[b pr]]",
            "a eq 'x'",
            "a eq inf",
            "a eq \"\\",
            "a eq \"x\" b",
            "urn:ietf:params:scim:schemas:core:2.0:User eq \"x\"",
            &many,
            &deep,
            &long,
        ] {
            let refusal = parse(text).expect_err("malformed");
            assert_eq!((refusal.status, refusal.scim_type), (400, Some("invalidFilter")), "{text}");
        }
    }
}
