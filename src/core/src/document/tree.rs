//! YAML as a tree with places, from parser events: the form in which everything that is wrong can be said. Anchors,
//! aliases, tags, merge keys, duplicate keys and depth are refused here, wherever they are.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

/// Maps and lists inside of each other at most. Documents need eight; `config` and scenarios some more.
const MAX_DEPTH: usize = 24;

/// Problems of one file at most: beyond them nobody reads, and hostile input makes thousands.
const MAX_PROBLEMS: usize = 100;

/// A value and the place where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub place: (u32, u32),
    pub value: Value,
}

/// What is written.
#[derive(Debug)]
pub(super) enum Value {
    /// A text, and whether it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that was refused already.
    Refused,
}

/// A key, its place, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub plain: bool,
    pub place: (u32, u32),
    pub value: Node,
}

/// What is wrong with the YAML as YAML.
#[derive(Debug)]
pub(super) struct Flaw {
    pub place: (u32, u32),
    pub code: &'static str,
    pub message: String,
    pub hint: Option<&'static str>,
    /// Whether reading ended here.
    pub fatal: bool,
}

/// Reads the first document of a text. None where there is no document, or reading failed; then a flaw says why.
pub(super) fn read(text: &str) -> (Option<Node>, Vec<Flaw>) {
    let mut reader = Reader { parser: Parser::new_from_str(text), flaws: Vec::new() };
    let root = reader.stream();
    (root.ok().flatten(), reader.flaws)
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    flaws: Vec<Flaw>,
}

/// Reading cannot go on; a flaw says why.
struct Stopped;

impl<'text> Reader<'text> {
    fn stream(&mut self) -> Result<Option<Node>, Stopped> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    self.flaw(
                        span.start,
                        "several-documents",
                        "a file holds one document, and a second one begins here",
                        Some("give each document its own file"),
                    );
                    return Ok(root);
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Stopped> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                self.flaw(*error.marker(), "syntax", &format!("this is no YAML: {}", error.info()), None);
                self.stop()
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Stopped> {
        if depth > MAX_DEPTH {
            self.flaw(
                span.start,
                "too-deep",
                &format!("maps and lists lie more than {MAX_DEPTH} deep in each other"),
                None,
            );
            return self.stop();
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(span.start, anchor, tag.is_some());
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(span.start, anchor, tag.is_some());
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(span.start, anchor, tag.is_some());
                Value::Map(self.map(depth)?)
            }
            Event::Alias(_) => {
                self.flaw(
                    span.start,
                    "alias",
                    "an alias stands for what is written elsewhere: aliases are not read",
                    Some("write the value here again; a text that begins with `*` needs quotes"),
                );
                Value::Refused
            }
            _ => Value::Refused,
        };
        Ok(Node { place: place(span.start), value })
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            let Value::Scalar { text, plain } = key.value else {
                if !matches!(key.value, Value::Refused) {
                    self.flaw(span.start, "key", "a key is a text, not a map or a list", None);
                }
                continue;
            };
            if plain && text == "<<" {
                let hint = Some("write the fields here");
                self.flaw(span.start, "merge-key", "merge keys (`<<`) are not read", hint);
                continue;
            }
            if !seen.insert(text.clone()) {
                let message = format!("`{}` stands here twice", shown(&text));
                self.flaw(span.start, "duplicate-key", &message, Some("keep one of the two"));
                let first = entries.iter_mut().find(|entry| entry.key == text);
                // Neither of the two counts.
                first.into_iter().for_each(|entry| entry.value.value = Value::Refused);
                continue;
            }
            entries.push(Entry { key: text, plain, place: place(span.start), value });
        }
    }

    fn refuse_extras(&mut self, at: Marker, anchor: usize, tagged: bool) {
        if anchor != 0 {
            let hint =
                Some("write the value wherever it is needed; a text that begins with `&` needs quotes");
            self.flaw(at, "anchor", "anchors (`&name`) are not read", hint);
        }
        if tagged {
            let hint = Some("a text that begins with `!` needs quotes");
            self.flaw(at, "tag", "tags (`!name`) are not read", hint);
        }
    }

    fn flaw(&mut self, at: Marker, code: &'static str, message: &str, hint: Option<&'static str>) {
        if self.flaws.len() < MAX_PROBLEMS {
            self.flaws.push(Flaw { place: place(at), code, message: message.to_owned(), hint, fatal: false });
        }
    }

    fn stop<T>(&mut self) -> Result<T, Stopped> {
        self.flaws.last_mut().into_iter().for_each(|flaw| flaw.fatal = true);
        Err(Stopped)
    }
}

/// A text in a message: bounded, and with control characters as escapes.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .flat_map(
            |c| if super::plain::is_hidden(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] },
        )
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn place(at: Marker) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(at.line()), number(at.col() + 1))
}
