//! The typed expressions and their values. Evaluation neither fails nor allocates where no text is put together.

use std::borrow::Cow;

use super::{Asked, Field};
use crate::Sym;

#[derive(Clone, Debug)]
pub(super) enum Typed {
    Truth(Truth),
    Text(Text),
    List(List),
}

#[derive(Clone, Debug)]
pub(super) enum Truth {
    Constant(bool),
    Same(Text, Text),
    Alike(Box<(Truth, Truth)>),
    Within(Text, List),
    Not(Box<Truth>),
    And(Vec<Truth>),
    Or(Vec<Truth>),
    Starts(Text, Text),
    Ends(Text, Text),
    Contains(Text, Text),
    Choice(Box<(Truth, Truth, Truth)>),
}

#[derive(Clone, Debug)]
pub(super) enum Text {
    /// `None` is the empty text.
    Literal(Option<Sym>),
    /// By its number in the footprint.
    Field(usize),
    Join(Box<(Text, Text)>),
    Lower(Box<Text>),
    Upper(Box<Text>),
    Choice(Box<(Truth, Text, Text)>),
}

#[derive(Clone, Debug)]
pub(super) enum List {
    Texts(Vec<Text>),
    Field(Field),
}

/// Where values come from: fields by their number in the footprint, lists by name.
pub(super) trait Source {
    fn value(&self, number: usize) -> Option<Sym>;
    fn list(&self, field: Field) -> &[Sym];
}

/// A footprint asked of one identity.
pub(super) struct Live<'a>(pub &'a [Field], pub Asked<'a>);

impl Source for Live<'_> {
    fn value(&self, number: usize) -> Option<Sym> {
        self.0.get(number).and_then(|field| self.1.value(*field))
    }
    fn list(&self, field: Field) -> &[Sym] {
        self.1.values(field)
    }
}

/// Values that were read before, with the place of each footprint field among them. It has no lists: what reads one
/// is never remembered.
pub(super) struct Tuple<'a>(pub &'a [Option<Sym>], pub &'a [u16]);

impl Source for Tuple<'_> {
    fn value(&self, number: usize) -> Option<Sym> {
        self.1.get(number).and_then(|place| self.0.get(usize::from(*place))).copied().flatten()
    }
    fn list(&self, _: Field) -> &[Sym] {
        &[]
    }
}

enum Words {
    Symbol(Option<Sym>),
    Made(String),
}

impl Words {
    fn text(&self) -> &str {
        match self {
            Words::Symbol(symbol) => symbol.map_or("", Sym::as_str),
            Words::Made(text) => text,
        }
    }

    fn same(&self, other: &Words) -> bool {
        match (self, other) {
            // Two symbols are one text exactly if they are one number; only absence and the empty text are alike.
            (Words::Symbol(Some(left)), Words::Symbol(Some(right))) => left == right,
            _ => self.text() == other.text(),
        }
    }
}

impl Truth {
    pub(super) fn eval(&self, of: &impl Source) -> bool {
        match self {
            Truth::Constant(value) => *value,
            Truth::Same(left, right) => left.words(of).same(&right.words(of)),
            Truth::Alike(both) => both.0.eval(of) == both.1.eval(of),
            Truth::Within(text, List::Texts(list)) => {
                let text = text.words(of);
                list.iter().any(|member| member.words(of).same(&text))
            }
            Truth::Within(text, List::Field(field)) => {
                let text = text.words(of);
                of.list(*field).iter().any(|member| Words::Symbol(Some(*member)).same(&text))
            }
            Truth::Not(inner) => !inner.eval(of),
            Truth::And(terms) => terms.iter().all(|term| term.eval(of)),
            Truth::Or(terms) => terms.iter().any(|term| term.eval(of)),
            Truth::Starts(text, part) => text.words(of).text().starts_with(part.words(of).text()),
            Truth::Ends(text, part) => text.words(of).text().ends_with(part.words(of).text()),
            Truth::Contains(text, part) => text.words(of).text().contains(part.words(of).text()),
            Truth::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                if condition.eval(of) { yes.eval(of) } else { no.eval(of) }
            }
        }
    }
}

impl Text {
    pub(super) fn eval(&self, of: &impl Source) -> Cow<'static, str> {
        match self.words(of) {
            Words::Symbol(symbol) => Cow::Borrowed(symbol.map_or("", Sym::as_str)),
            Words::Made(text) => Cow::Owned(text),
        }
    }

    fn words(&self, of: &impl Source) -> Words {
        match self {
            Text::Literal(symbol) => Words::Symbol(*symbol),
            Text::Field(number) => Words::Symbol(of.value(*number)),
            Text::Join(both) => {
                let (left, right) = (both.0.words(of), both.1.words(of));
                Words::Made([left.text(), right.text()].concat())
            }
            Text::Lower(inner) => Words::Made(inner.words(of).text().to_ascii_lowercase()),
            Text::Upper(inner) => Words::Made(inner.words(of).text().to_ascii_uppercase()),
            Text::Choice(choice) => {
                let (condition, yes, no) = &**choice;
                if condition.eval(of) { yes.words(of) } else { no.words(of) }
            }
        }
    }
}

impl List {
    pub(super) fn eval(&self, of: &impl Source) -> Vec<String> {
        match self {
            List::Texts(texts) => texts.iter().map(|text| text.eval(of).into_owned()).collect(),
            List::Field(field) => of.list(*field).iter().map(Sym::to_string).collect(),
        }
    }
}

impl Typed {
    /// What it is, in words.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Typed::Truth(_) => "true or false",
            Typed::Text(_) => "a text",
            Typed::List(_) => "a list",
        }
    }
}
