//! What every connector has to do, told as a story, and what tests of connectors need beside it.
//!
//! [`run`] tells the story against a throwaway system: chapter by chapter, chosen by what the connector declares.
//! What it makes carries a name that no other run uses and is taken away again, also after a chapter that failed.
//! [`proxy`] puts the faults of real networks between a connector and its system, and [`systems`] starts the real
//! systems of `tests/systems`.
//!
//! The suite calls a target as the daemon does (`attempt.rs`): what may pass is tried again, what may have landed is
//! looked up first. So a connector has to pass it behind the fault proxy as well.

mod attempt;
mod chapters;
mod options;
pub mod proxy;
mod report;
mod sample;
mod scenery;
mod seen;
mod story;
pub mod systems;
mod words;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provost_sdk::{Connector, Settings};

pub use options::{Options, Section};
pub use report::{ChapterReport, Report, Verdict};

use crate::chapters::{CHAPTERS, Chapter};
use crate::story::Story;

/// The large chapters may take this many times as long as the others.
const LARGE: u32 = 10;

/// The names of all chapters, in the order in which they are told.
pub fn chapter_names() -> impl Iterator<Item = &'static str> {
    CHAPTERS.iter().map(|chapter| chapter.name)
}

/// Tells the story against a throwaway system. Each chapter is given to `progress` when it has ended.
///
/// The run makes and deletes accounts: it must never be pointed at a system that people use.
pub async fn run(
    connector: &dyn Connector,
    settings: &Settings,
    options: &Options,
    progress: &mut (dyn FnMut(&ChapterReport) + Send),
) -> Report {
    let mut report = Report {
        connector: connector.kind().to_owned(),
        target: settings.target.clone(),
        prefix: prefix(),
        chapters: Vec::new(),
    };
    let started = Instant::now();
    let mut story = match Story::begin(connector, settings, options, report.prefix.clone()).await {
        Ok(story) => story,
        Err(error) => {
            let message = format!("The target could not be opened: {:?}: {error}", error.kind);
            let chapter = ended(&CHAPTERS[0], started, Verdict::Failed { message });
            progress(&chapter);
            report.chapters.push(chapter);
            return report;
        }
    };
    for chapter in CHAPTERS {
        let frame = chapter.always;
        if !frame && !options.only.is_empty() && !options.only.iter().any(|only| only == chapter.name) {
            continue;
        }
        let started = Instant::now();
        let verdict = match (chapter.needs)(&story) {
            Err(missing) => Verdict::NotApplicable { missing },
            Ok(()) => tell(chapter, &mut story).await,
        };
        let chapter = ended(chapter, started, verdict);
        progress(&chapter);
        report.chapters.push(chapter);
    }
    report
}

async fn tell(chapter: &Chapter, story: &mut Story<'_>) -> Verdict {
    let time = story.options.timeout * if chapter.large { LARGE } else { 1 };
    let told = tokio::time::timeout(time, (chapter.tell)(story)).await;
    let cleared = tokio::time::timeout(time, story.clear()).await;
    let message = match (told, cleared) {
        (Ok(Ok(())), Ok(())) => return Verdict::Passed,
        (Ok(Err(message)), _) => message,
        (Err(_), _) => format!("The chapter was not done in {} s.", time.as_secs()),
        (_, Err(_)) => format!("The chapter's accounts were not taken away in {} s.", time.as_secs()),
    };
    Verdict::Failed { message }
}

fn ended(chapter: &Chapter, started: Instant, verdict: Verdict) -> ChapterReport {
    ChapterReport {
        chapter: chapter.name,
        about: chapter.about,
        verdict,
        seconds: seconds(started.elapsed()),
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// With what everything begins that a run makes: a letter, because some systems want one first, then the second, and
/// the process with a number of the run in it. Nine characters leave eleven of the twenty that Active Directory allows in a name.
fn prefix() -> String {
    // 2020-01-01: the six digits last until 2089.
    const EPOCH: i64 = 1_577_836_800;
    let second = Timestamp::now().as_second().saturating_sub(EPOCH).unsigned_abs();
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let process = (u64::from(std::process::id()) + RUNS.fetch_add(1, Ordering::Relaxed)) % (36 * 36);
    format!("p{:0>6}{:0>2}", sample::base36(second), sample::base36(process))
}
