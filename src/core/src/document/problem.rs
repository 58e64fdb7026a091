//! What is wrong in a document, and where.

use std::fmt;

use serde::Serialize;

use crate::Sym;

/// What is wrong, for people (`Display`, which reads `file:line:column: message (hint)`) and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's path in the repository.
    pub file: Sym,
    /// The field that it is about; the whole document where empty.
    #[serde(skip_serializing_if = "FieldPath::is_empty")]
    pub at: FieldPath,
    /// The line, from 1; 0 for the whole file, or where only `at` is known ([`Problem::locate`] finds the line).
    pub line: u32,
    /// The column in characters, from 1; 0 like `line`.
    pub column: u32,
    /// What kind of problem, such as `unknown-field`: stable, for programs.
    pub code: &'static str,
    /// Whether it holds the document back.
    pub severity: Severity,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// Whether a problem holds its document back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// A field of a document: `roles[0].until`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

/// One step of a [`FieldPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into a field of a map.
    Key(Sym),
    /// Into an item of a list, from 0.
    Index(usize),
}

impl Problem {
    /// An error in a field, as yet without a line.
    pub fn error(file: Sym, at: FieldPath, code: &'static str, message: impl Into<String>) -> Problem {
        let (line, column) = (0, 0);
        let (severity, message) = (Severity::Error, message.into());
        Problem { file, at, line, column, code, severity, message, hint: None, excerpt: None }
    }

    /// A warning in a field, as yet without a line.
    pub fn warning(file: Sym, at: FieldPath, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(file, at, code, message) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Finds the line of a problem that knows only its field, in the file that the document came from.
    pub fn locate(&mut self, bytes: &[u8]) {
        if self.line == 0
            && let Some(place) = super::locate(bytes, &self.at)
        {
            (self.line, self.column, self.excerpt) = (place.line, place.column, Some(place.excerpt));
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(" warning:")?;
        }
        write!(f, " {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl FieldPath {
    /// The document itself.
    pub fn root() -> FieldPath {
        FieldPath::default()
    }

    /// A field of the document.
    pub fn field(name: &str) -> FieldPath {
        FieldPath::root().key(name)
    }

    /// A field in the map that this path leads to.
    #[must_use]
    pub fn key(&self, name: &str) -> FieldPath {
        self.with(Step::Key(Sym::new(name)))
    }

    /// An item, from 0, of the list that this path leads to.
    #[must_use]
    pub fn index(&self, index: usize) -> FieldPath {
        self.with(Step::Index(index))
    }

    /// The steps from the document on.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it is the document itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` is the same field or lies in it.
    pub fn contains(&self, other: &FieldPath) -> bool {
        other.0.starts_with(&self.0)
    }

    /// A field of the document that this path leads to, seen from the whole.
    #[must_use]
    pub fn join(&self, inner: &FieldPath) -> FieldPath {
        FieldPath(self.0.iter().chain(&inner.0).copied().collect())
    }

    fn with(&self, step: Step) -> FieldPath {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        FieldPath(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
