//! What the suite found, for people and for programs.

use serde::Serialize;

/// What a run of the suite found. Its JSON is a stable interface of `provost connector conformance --output json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The kind of the connector.
    pub connector: String,
    /// The id of the target, as the settings name it.
    pub target: String,
    /// With what every account and entitlement that the run made begins.
    pub prefix: String,
    /// The chapters, in the order in which they were told.
    pub chapters: Vec<ChapterReport>,
}

impl Report {
    /// Whether no chapter failed. A run with no chapter at all proves nothing and has not passed.
    pub fn passed(&self) -> bool {
        self.chapters.iter().any(|chapter| chapter.verdict == Verdict::Passed)
            && !self.chapters.iter().any(|chapter| matches!(chapter.verdict, Verdict::Failed { .. }))
    }

    /// The chapters that failed, with what was expected and seen.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.chapters.iter().filter_map(|chapter| match &chapter.verdict {
            Verdict::Failed { message } => Some((chapter.chapter, message.as_str())),
            Verdict::Passed | Verdict::NotApplicable { .. } => None,
        })
    }
}

/// What became of one chapter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChapterReport {
    /// Its name, such as `create`.
    pub chapter: &'static str,
    /// What it tells, in one sentence.
    pub about: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, its clearing up included.
    pub seconds: f64,
}

/// How a chapter ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was as the contract says.
    Passed,
    /// Something was not.
    Failed {
        /// A full sentence: what was expected and what was seen.
        message: String,
    },
    /// It tells of something that this connector does not claim to do, or that this run cannot try.
    NotApplicable {
        /// What is missing, such as "the operation rename".
        missing: String,
    },
}
