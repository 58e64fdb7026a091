//! Many blobs at once, through one `git cat-file --batch`: it reads packs faster than libgit2 does, on one core.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::Stdio;

use git2::Oid;

use super::GitError;
use super::program::git_program;

/// A blob that was asked for.
#[derive(Clone, Debug)]
pub struct Blob {
    /// The place in the list of ids.
    pub index: usize,
    /// Its bytes; `None` where it is larger than the limit.
    pub bytes: Option<Vec<u8>>,
}

/// Reads blobs in the order of `ids` and hands each to `take`. What is larger than `limit` bytes is passed over.
pub fn read_blobs(
    repository: &Path,
    ids: &[Oid],
    limit: u64,
    mut take: impl FnMut(Blob),
) -> Result<(), GitError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut child = git_program(repository)
        .args(["cat-file", "--batch", "--buffer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(broken("its pipes did not open"));
    };
    // Asking and reading at once: the pipe holds less than a large answer.
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(move || ask(input, ids));
        let read = answers(BufReader::with_capacity(1 << 18, output), ids, limit, &mut take);
        let asked = asking.join().unwrap_or_else(|_| Err(broken("the thread that asks died")));
        read.and(asked)
    });
    let status = child.wait()?;
    asked?;
    if status.success() { Ok(()) } else { Err(broken("it ended with an error")) }
}

fn ask(input: impl Write, ids: &[Oid]) -> Result<(), GitError> {
    let mut input = BufWriter::with_capacity(1 << 16, input);
    for id in ids {
        writeln!(input, "{id}")?;
    }
    Ok(input.flush()?)
}

fn answers(
    mut output: impl BufRead,
    ids: &[Oid],
    limit: u64,
    take: &mut impl FnMut(Blob),
) -> Result<(), GitError> {
    let mut header = String::new();
    for (index, id) in ids.iter().enumerate() {
        header.clear();
        output.read_line(&mut header)?;
        let mut words = header.split_ascii_whitespace();
        let (answered, kind, size) =
            (words.next(), words.next(), words.next().and_then(|size| size.parse::<u64>().ok()));
        let (Some(answered), Some("blob"), Some(size)) = (answered, kind, size) else {
            return Err(broken(&format!("no blob {id}: {}", header.trim())));
        };
        if answered != id.to_string() {
            return Err(broken(&format!("it answered {answered} when asked for {id}")));
        }
        let bytes = if size > limit {
            std::io::copy(&mut output.by_ref().take(size), &mut std::io::sink())?;
            None
        } else {
            let mut bytes =
                vec![0; usize::try_from(size).map_err(|_| broken("a blob does not fit into memory"))?];
            output.read_exact(&mut bytes)?;
            Some(bytes)
        };
        output.read_exact(&mut [0])?;
        take(Blob { index, bytes });
    }
    Ok(())
}

fn broken(why: &str) -> GitError {
    GitError::Program { command: "cat-file".to_owned(), why: why.to_owned() }
}
