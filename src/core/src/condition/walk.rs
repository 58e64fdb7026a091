//! From the parser's tree to a typed one. What the types cannot say does not get through: unknown fields, wrong
//! types and everything of CEL that is not in the subset are errors with a place.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::Parser;

use super::eval::{List, Text, Truth, Typed};
use super::{ConditionError, Field, Subject, scan};
use crate::Sym;

/// Fields that one expression may read.
const FIELDS: usize = 16;

/// A typed expression and the fields that it reads, in the order of its own numbering.
pub(super) fn compile(
    text: &str,
    subjects: &[Subject],
) -> Result<(Typed, Vec<Field>, Option<Subject>), ConditionError> {
    scan::scan(text, subjects)?;
    let (tree, places) =
        Parser::new().parse_with_source_info(text).map_err(|errors| syntax(text, &errors))?;
    let mut walk = Walk { subjects, places, fields: Vec::new(), subject: None };
    let typed = walk.any(&tree)?;
    Ok((typed, walk.fields, walk.subject))
}

struct Walk<'a> {
    subjects: &'a [Subject],
    places: SourceInfo,
    fields: Vec<Field>,
    subject: Option<Subject>,
}

type Walked<T> = Result<T, ConditionError>;

impl Walk<'_> {
    fn any(&mut self, node: &IdedExpr) -> Walked<Typed> {
        match &node.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Ok(Typed::Truth(Truth::Constant(*value.inner()))),
            Expr::Literal(LiteralValue::String(value)) => {
                Ok(Typed::Text(Text::Literal(Some(value.inner()).filter(|s| !s.is_empty()).map(Sym::new))))
            }
            Expr::Select(_) | Expr::Ident(_) => self.field(node),
            Expr::Call(call) if call.func_name == operators::INDEX => self.field(node),
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => {
                let texts: Walked<Vec<Text>> =
                    list.elements.iter().map(|element| self.text(element)).collect();
                Ok(Typed::List(List::Texts(texts?)))
            }
            Expr::Literal(_)
            | Expr::Comprehension(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => Err(self.wrong(node, "This is not in the language of conditions.")),
        }
    }

    fn truth(&mut self, node: &IdedExpr) -> Walked<Truth> {
        match self.any(node)? {
            Typed::Truth(truth) => Ok(truth),
            other => Err(self.expected(node, "true or false", &other).hint("compare it: `… == '…'`")),
        }
    }

    fn text(&mut self, node: &IdedExpr) -> Walked<Text> {
        match self.any(node)? {
            Typed::Text(text) => Ok(text),
            other => Err(self.expected(node, "a text", &other)),
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Walked<Typed> {
        let truth = |truth| Ok(Typed::Truth(truth));
        match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
            (operators::EQUALS, None, [left, right]) => truth(self.same(left, right)?),
            (operators::NOT_EQUALS, None, [left, right]) => {
                truth(Truth::Not(Box::new(self.same(left, right)?)))
            }
            (operators::LOGICAL_NOT, None, [inner]) => truth(Truth::Not(Box::new(self.truth(inner)?))),
            (operators::LOGICAL_AND, None, terms) => {
                let terms: Walked<_> = terms.iter().map(|term| self.truth(term)).collect();
                truth(Truth::And(terms?))
            }
            (operators::LOGICAL_OR, None, terms) => {
                let terms: Walked<_> = terms.iter().map(|term| self.truth(term)).collect();
                truth(Truth::Or(terms?))
            }
            (operators::IN, None, [wanted, list]) => {
                let wanted = self.text(wanted)?;
                match self.any(list)? {
                    Typed::List(list) => truth(Truth::Within(wanted, list)),
                    other => Err(self.expected(list, "a list", &other).hint("write `in ['a', 'b']`")),
                }
            }
            (operators::ADD, None, [left, right]) => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                Ok(Typed::Text(Text::Join(Box::new((left, right)))))
            }
            (operators::CONDITIONAL, None, [condition, yes, no]) => self.choice(condition, yes, no),
            (name, Some(target), [argument]) if matches!(name, "startsWith" | "endsWith" | "contains") => {
                let (text, part) = (self.text(target)?, self.text(argument)?);
                truth(match name {
                    "startsWith" => Truth::Starts(text, part),
                    "endsWith" => Truth::Ends(text, part),
                    _ => Truth::Contains(text, part),
                })
            }
            ("lowerAscii", Some(target), []) => Ok(Typed::Text(Text::Lower(Box::new(self.text(target)?)))),
            ("upperAscii", Some(target), []) => Ok(Typed::Text(Text::Upper(Box::new(self.text(target)?)))),
            (name, ..) if scan::FUNCTIONS.contains(&name) => {
                let count = if name.ends_with("Ascii") { "no argument" } else { "one argument" };
                Err(self.wrong(node, &format!("`{name}` takes {count}.")))
            }
            _ => Err(self.wrong(node, "This is not in the language of conditions.")),
        }
    }

    fn same(&mut self, left: &IdedExpr, right: &IdedExpr) -> Walked<Truth> {
        match (self.any(left)?, self.any(right)?) {
            (Typed::Text(left), Typed::Text(right)) => Ok(Truth::Same(left, right)),
            (Typed::Truth(left), Typed::Truth(right)) => Ok(Truth::Alike(Box::new((left, right)))),
            (Typed::List(_), _) => Err(self.wrong(left, "Lists are not compared.").hint("write `… in […]`")),
            (_, Typed::List(_)) => Err(self.wrong(right, "Lists are not compared.").hint("write `… in […]`")),
            (left, other) => Err(self.expected(right, left.noun(), &other)),
        }
    }

    fn choice(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Walked<Typed> {
        let condition = self.truth(condition)?;
        match (self.any(yes)?, self.any(no)?) {
            (Typed::Text(yes), Typed::Text(no)) => {
                Ok(Typed::Text(Text::Choice(Box::new((condition, yes, no)))))
            }
            (Typed::Truth(yes), Typed::Truth(no)) => {
                Ok(Typed::Truth(Truth::Choice(Box::new((condition, yes, no)))))
            }
            (yes, other) => Err(self.expected(no, yes.noun(), &other)),
        }
    }

    fn field(&mut self, node: &IdedExpr) -> Walked<Typed> {
        let Some((root, path)) = path(node) else {
            return Err(self.wrong(node, "Only fields of the identity can be read."));
        };
        let Some(subject) = self.subjects.iter().copied().find(|subject| subject.root() == root) else {
            return Err(self.wrong(node, &format!("`{root}` is not known here.")));
        };
        if *self.subject.get_or_insert(subject) != subject {
            return Err(self
                .wrong(node, "One expression is about a person or about a service, not both.")
                .hint("write two roles"));
        }
        let field = subject.field(&path).ok_or_else(|| self.unknown(node, subject, &path))?;
        let number = match self.fields.iter().position(|known| *known == field) {
            Some(number) => number,
            None if self.fields.len() == FIELDS => {
                return Err(self.wrong(node, &format!("The expression reads more than {FIELDS} fields.")));
            }
            None => {
                self.fields.push(field);
                self.fields.len() - 1
            }
        };
        Ok(if field.is_list() { Typed::List(List::Field(field)) } else { Typed::Text(Text::Field(number)) })
    }

    fn unknown(&self, node: &IdedExpr, subject: Subject, path: &str) -> ConditionError {
        let root = subject.root();
        if path.is_empty() {
            return self
                .wrong(node, &format!("`{root}` alone has no value."))
                .hint(&format!("name a field: `{root}.id`"));
        }
        let error = self.wrong(node, &format!("A {root} has no field `{path}`."));
        let below: Vec<&str> =
            subject.paths().filter(|known| known.split('.').next() == Some(path)).collect();
        if !below.is_empty() {
            return error.hint(&format!("it has {}", below.join(", ")));
        }
        match super::nearest(path, subject.paths()) {
            Some(near) => error.hint(&format!("did you mean `{near}`?")),
            None => error
                .hint(&format!("an attribute of your own is `{root}.attributes.{}`", path.replace('.', "_"))),
        }
    }

    fn expected(&self, node: &IdedExpr, wanted: &str, found: &Typed) -> ConditionError {
        self.wrong(node, &format!("This is {}, where {wanted} is needed.", found.noun()))
    }

    fn wrong(&self, node: &IdedExpr, message: &str) -> ConditionError {
        ConditionError::new(begin(node, &self.places), message.to_owned())
    }
}

/// The root and the path below it, where the expression is nothing but selections.
fn path(node: &IdedExpr) -> Option<(&str, String)> {
    match &node.expr {
        Expr::Ident(name) => Some((name, String::new())),
        Expr::Select(select) if !select.test => {
            let (root, path) = path(&select.operand)?;
            Some((root, joined(path, &select.field)))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [of, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] => {
                let (root, path) = path(of)?;
                // Only a free name may stand in brackets: everything else has one spelling.
                (path == "attributes" && !name.inner().contains('.'))
                    .then(|| (root, joined(path, name.inner())))
            }
            _ => None,
        },
        _ => None,
    }
}

fn joined(path: String, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Where an expression begins: the parser places an operator at its sign, so the leftmost part decides.
fn begin(node: &IdedExpr, places: &SourceInfo) -> usize {
    let own = places.offset_for(node.id).map_or(usize::MAX, |(start, _)| start as usize);
    let first = match &node.expr {
        Expr::Select(select) => Some(&*select.operand),
        Expr::Call(call) => call.target.as_deref().or(call.args.first()),
        _ => None,
    };
    let begin = first.map_or(own, |first| own.min(begin(first, places)));
    if begin == usize::MAX { 0 } else { begin }
}

fn syntax(text: &str, errors: &cel::ParseErrors) -> ConditionError {
    let first = errors.errors.first();
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    let before: usize =
        text.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let offset = (before + usize::try_from(column - 1).unwrap_or(0)).min(text.len());
    ConditionError::new(offset, format!("The expression does not go on like this{}.", seen(text, offset)))
}

fn seen(text: &str, offset: usize) -> String {
    match text.get(offset..).map(|rest| rest.split_whitespace().next().unwrap_or("")) {
        Some("") => " at its end".to_owned(),
        Some(word) => format!(" at `{}`", word.chars().take(20).collect::<String>()),
        None => String::new(),
    }
}
