//! Conditions and templates: a declared subset of CEL over the fields of one identity.
//!
//! In it are `person.…` or `service.…` fields, texts, lists of texts, `true` and `false`, `== != && || ! in + ? :`,
//! parentheses, and `startsWith`, `endsWith`, `contains`, `lowerAscii` and `upperAscii` on a text. There is no clock,
//! no other identity, no comprehension and no regular expression, so an expression costs what its length costs. An
//! absent field is the empty text.
//!
//! The crate `cel` parses; the tree is then typed by a walker of our own, and it is the typed tree that is
//! evaluated: the crate's interpreter checks no names and no types before it runs, has no bound on its work, and
//! wants a context that costs more than a hundred evaluations here. [`scan`] refuses before parsing whatever would
//! cost the parser more than its share.

mod eval;
mod field;
mod scan;
mod walk;

#[cfg(test)]
mod tests;

use provost_sdk::Value;

use crate::Sym;
use eval::{Live, Text, Truth, Tuple, Typed};

pub use field::{Asked, Field, Post, Subject, service_username};

/// A condition: who meets it holds a role by birthright.
#[derive(Clone, Debug)]
pub struct Condition {
    truth: Truth,
    footprint: Vec<Field>,
    subject: Subject,
}

/// A template: the value of an attribute of an account.
#[derive(Clone, Debug)]
pub enum Template {
    /// A plain path, which never enters CEL.
    Path(Field),
    /// An expression.
    Expression(Expression),
}

/// A template that is more than a path.
#[derive(Clone, Debug)]
pub struct Expression {
    typed: Typed,
    footprint: Vec<Field>,
}

/// Why a text is no condition or template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// A full sentence.
    pub message: String,
    /// Where, in bytes from the beginning of the expression.
    pub offset: usize,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Condition {
    /// A condition about one kind of identity.
    pub fn compile(text: &str, subject: Subject) -> Result<Condition, ConditionError> {
        Condition::about(text, &[subject], subject)
    }

    /// The condition of a role: about persons or services, whichever it names; about persons where it names neither.
    pub fn of_role(text: &str) -> Result<Condition, ConditionError> {
        Condition::about(text, &[Subject::Person, Subject::Service], Subject::Person)
    }

    /// Whom it is about.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The fields that it reads.
    pub fn footprint(&self) -> &[Field] {
        &self.footprint
    }

    /// Whether this identity meets it. One of another kind than [`Condition::subject`] never does.
    pub fn is_met(&self, by: Asked<'_>) -> bool {
        let subject = match by {
            Asked::Person(..) => Subject::Person,
            Asked::Service(_) => Subject::Service,
        };
        subject == self.subject && self.truth.eval(&Live(&self.footprint, by))
    }

    /// Whether values that were read before meet it; `places` says where each field of the footprint is in them.
    pub(crate) fn is_met_by_values(&self, values: &[Option<Sym>], places: &[u16]) -> bool {
        self.truth.eval(&Tuple(values, places))
    }

    fn about(text: &str, subjects: &[Subject], otherwise: Subject) -> Result<Condition, ConditionError> {
        let (typed, footprint, subject) = walk::compile(text, subjects)?;
        match typed {
            Typed::Truth(truth) => Ok(Condition { truth, footprint, subject: subject.unwrap_or(otherwise) }),
            other => Err(ConditionError::new(
                0,
                format!("A condition is true or false; this is {}.", other.noun()),
            )
            .hint("compare it: `… == '…'`")),
        }
    }
}

impl Template {
    /// A template. `person` and `service` both stand for whoever has the account; a field that its kind of identity
    /// lacks has no value.
    pub fn compile(text: &str) -> Result<Template, ConditionError> {
        let subjects = [Subject::Person, Subject::Service];
        let plain = subjects.iter().find_map(|subject| {
            let path = text.strip_prefix(subject.root())?.strip_prefix('.')?;
            let simple = path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
            subject.field(path).filter(|_| simple)
        });
        if let Some(field) = plain {
            return Ok(Template::Path(field));
        }
        let (typed, footprint, _) = walk::compile(text, &subjects)?;
        Ok(Template::Expression(Expression { typed, footprint }))
    }

    /// The value for this identity as a symbol, where the template is a plain path to a text: the same that
    /// [`Template::value`] gives. `None` where it is not.
    pub(crate) fn symbol(&self, of: Asked<'_>) -> Option<Option<Sym>> {
        match self {
            Template::Path(field) if !field.is_list() => {
                Some(of.value(*field).filter(|text| !text.as_str().is_empty()))
            }
            Template::Path(_) | Template::Expression(_) => None,
        }
    }

    /// The value for this identity; `None` where there is none (an absent field, an empty text or list).
    pub fn value(&self, of: Asked<'_>) -> Option<Value> {
        match self {
            Template::Path(field) if field.is_list() => {
                let values = of.values(*field);
                (!values.is_empty()).then(|| Value::List(values.iter().map(Sym::to_string).collect()))
            }
            Template::Path(field) => {
                of.value(*field).map(Sym::as_str).filter(|text| !text.is_empty()).map(Value::from)
            }
            Template::Expression(Expression { typed, footprint }) => {
                let source = Live(footprint, of);
                match typed {
                    Typed::Truth(truth) => Some(Value::Bool(truth.eval(&source))),
                    Typed::Text(text) => made(text, &source),
                    Typed::List(list) => {
                        let values = list.eval(&source);
                        (!values.is_empty()).then(|| Value::List(values.into_iter().collect()))
                    }
                }
            }
        }
    }
}

fn made(text: &Text, source: &Live<'_>) -> Option<Value> {
    Some(text.eval(source)).filter(|text| !text.is_empty()).map(|text| Value::Text(text.into_owned()))
}

impl ConditionError {
    fn new(offset: usize, message: String) -> ConditionError {
        ConditionError { message, offset, hint: None }
    }

    fn hint(mut self, hint: &str) -> ConditionError {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// The known word that somebody probably meant.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    similar::get_close_matches(word, &known, 1, 0.7).into_iter().next()
}
