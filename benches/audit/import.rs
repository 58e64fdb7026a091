//! The yardstick: `git fast-import` of the very commits that were recorded, unsigned and not durable.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provost_audit::{CommitId, REF, Record, parse_commit};

use crate::Failure;

/// Copies a bare repository.
pub fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    if copied.success() { Ok(()) } else { Err("the repository could not be copied".into()) }
}

/// Writes the stream for fast-import: the messages as they stand in the log after `base`, the files of the records.
pub fn write(stream: &Path, repository: &Path, base: CommitId, written: &[Record]) -> Result<(), Failure> {
    let listed = git(repository).args(["rev-list", "--reverse", &format!("{base}..{REF}")]).output()?;
    let ids: Vec<String> = String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect();
    if ids.len() != written.len() {
        return Err(format!("{} commits are there, {} were recorded", ids.len(), written.len()).into());
    }
    let opened = git2::Repository::open(repository)?;
    let mut out = BufWriter::new(File::create(stream)?);
    for (number, (id, record)) in ids.iter().zip(written).enumerate() {
        let object = opened.odb()?.read(git2::Oid::from_str(id)?)?.data().to_vec();
        let commit = parse_commit(&object)?;
        let who = format!("provost <audit@provost.invalid> {} +0000", commit.at);
        write!(out, "commit {REF}\nauthor {who}\ncommitter {who}\ndata {}\n", commit.message.len())?;
        out.write_all(commit.message.as_bytes())?;
        if number == 0 {
            writeln!(out, "from {base}")?;
        }
        for (path, content) in &record.changes {
            match content {
                Some(content) => {
                    write!(out, "M 100644 inline {path}\ndata {}\n", content.len())?;
                    out.write_all(content)?;
                    out.write_all(b"\n")?;
                }
                None => writeln!(out, "D {path}")?,
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Imports a stream; how long it took.
pub fn run(into: &Path, stream: &Path) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let imported = git(into)
        .args(["-c", "core.fsync=none", "fast-import", "--quiet"])
        .stdin(File::open(stream)?)
        .stderr(Stdio::inherit())
        .status()?;
    let taken = begun.elapsed();
    if imported.success() { Ok(taken) } else { Err("git fast-import failed".into()) }
}

/// Git on a bare repository.
pub fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(repository);
    command
}
