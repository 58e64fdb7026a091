//! Keeping the audit log: checkpoints that verifiers can pin, and few packs.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use provost_audit::{Kind, Record, Thoroughness, Tip};
use serde_json::json;

use super::Shared;
use crate::recorder::{NotPublished, push};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(600);

/// A checkpoint every hour of activity bounds what a stolen key can sign anew unseen; one a day says that nothing was
/// cut off while nothing happened.
const ACTIVE: Duration = Duration::from_secs(3600);
const IDLE: Duration = Duration::from_secs(86_400);

/// From this many packs on `git log -p` of a path is noticeably slower.
const PACKS: usize = 50;

/// Everything is packed anew this often.
const REPACK: Duration = Duration::from_secs(30 * 86_400);

/// What only speeds up the next start, or helps when the repository cannot be read: the windows of the guards, and a
/// copy of the tracked branch.
pub(super) async fn keep_state(shared: &Shared) {
    let counted = shared.engine.ask(|engine| {
        engine.keep_windows(Timestamp::now());
        engine.counted()
    });
    if counted.await.flatten().is_none() {
        return;
    }
    let source = shared.engine.source().clone();
    let kept = tokio::task::spawn_blocking(move || source.keep()).await;
    if let Ok(Err(error)) = kept {
        tracing::warn!(%error, "no copy was kept of the desired repository");
    }
}

/// Looks for as long as the daemon lives.
pub(super) async fn keep(shared: Shared) {
    let mut last: Option<(Tip, tokio::time::Instant)> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        keep_state(&shared).await;
        checkpoint(&shared, &mut last).await;
        let repository = shared.engine.recorder().repository().to_owned();
        let marker = shared.settings.state.join("repacked");
        let kept = tokio::task::spawn_blocking(move || pack(&repository, &marker)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "the audit log's packs were not joined");
        }
    }
}

async fn checkpoint(shared: &Shared, last: &mut Option<(Tip, tokio::time::Instant)>) {
    let recorder = shared.engine.recorder();
    let Ok(tip) = recorder.flush().await else { return };
    let due = match last {
        None => true,
        Some((known, at)) if *known == tip => at.elapsed() >= IDLE,
        Some((_, at)) => at.elapsed() >= ACTIVE,
    };
    if !due {
        return;
    }
    let mut record =
        Record::new(Kind::Checkpoint, Timestamp::now(), format!("checkpoint of {} records", tip.seq));
    record.body = json!({ "tip": tip.commit.to_string(), "seq": tip.seq });
    match recorder.record(vec![record]).await {
        Ok(recorded) => *last = recorded.last().map(|tip| (*tip, tokio::time::Instant::now())),
        Err(error) => return tracing::warn!(%error, "no checkpoint was made"),
    }
    let Some(remote) = shared.settings.audit.checkpoints.clone() else { return };
    if let Ok(tip) = recorder.flush().await {
        let repository = recorder.repository().to_owned();
        let pushed =
            tokio::task::spawn_blocking(move || push(&repository, &remote, &mut None, tip.commit)).await;
        if let Ok(Err(NotPublished::Unreachable(why) | NotPublished::Tampered(why))) = pushed {
            tracing::error!(%why, "the checkpoint did not reach the second repository");
        }
    }
}

fn pack(repository: &Path, marker: &Path) -> Result<(), provost_audit::Error> {
    let old = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        modified.is_none_or(|modified| modified.elapsed().is_ok_and(|age| age >= REPACK))
    };
    let packs = std::fs::read_dir(repository.join("objects/pack"))
        .map(|entries| {
            entries
                .flatten()
                .filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"))
                .count()
        })
        .unwrap_or_default();
    if packs < PACKS {
        return Ok(());
    }
    let thoroughness = if old(marker) { Thoroughness::Repack } else { Thoroughness::Join };
    provost_audit::maintain(repository, thoroughness)?;
    if thoroughness == Thoroughness::Repack
        && let Err(error) = std::fs::write(marker, "")
    {
        tracing::debug!(%error, "the next repack comes too early");
    }
    Ok(())
}
