//! What a restart would have to parse again, as flat numbers in `STATE/cache`: documents of people and services by the
//! commit that they are of, accounts by the commit of the audit log.
//!
//! Only a quicker form of what the two repositories hold, made from them and compared with them by commit: what differs
//! since is read as always. A file that is missing, damaged, of another build of the program or of a commit that is
//! gone is passed over and written anew, so the folder can be deleted at any time.

use std::io;
use std::path::{Path, PathBuf};

use git2::Oid;
use provost_core::Sym;
use provost_core::observed::Observed;
use provost_core::packed::{Image, Packed, Reader, Writer};
use provost_core::snapshot::{Kept, Snapshot};
use rayon::prelude::*;

/// Files that have to be read although there is a cache, from which on it is written anew: reading fewer costs less than
/// writing.
pub const STALE: usize = 1000;

/// Raised when the same values are written in another way.
const FORMAT: u32 = 1;

/// Texts that one thread looks up in one go.
const PIECE: usize = 1 << 14;

/// Documents of one commit of the desired repository.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The commit.
    pub commit: Oid,
    /// Every file of it.
    pub kept: Vec<Kept>,
}

/// Accounts by one commit of the audit log.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// The commit.
    pub commit: Oid,
    /// What is remembered of each target: its name in the log's tree, and its accounts and links.
    pub targets: Vec<(Sym, Observed)>,
}

/// A cache as bytes, on its way to its file.
pub struct Unwritten {
    file: PathBuf,
    bytes: Vec<u8>,
}

impl Documents {
    /// The documents that were kept. A file that cannot be used is thrown away, and the log says why.
    pub fn read(state: &Path) -> Option<Documents> {
        open(&documents_file(state), |image, texts, commit| {
            let piece = |mark| whole(image, mark, texts, Kept::unpack_piece);
            let pieces: Option<Vec<Vec<Kept>>> = (1..image.marks()).into_par_iter().map(piece).collect();
            Some(Documents { commit, kept: pieces?.into_iter().flatten().collect() })
        })
    }

    /// The documents of the commit that counts, to be kept; none where they cannot be.
    pub fn keep(state: &Path, commit: Oid, snapshot: &Snapshot) -> Option<Unwritten> {
        let mut writer = begin(commit);
        snapshot.pack(&mut writer).then(|| finish(documents_file(state), writer))
    }
}

impl Accounts {
    /// The accounts that were kept. A file that cannot be used is thrown away, and the log says why.
    pub fn read(state: &Path) -> Option<Accounts> {
        open(&accounts_file(state), |image, texts, commit| {
            let target = |mark| {
                whole(image, mark, texts, |reader| Some((Sym::unpack(reader)?, Observed::unpack(reader)?)))
            };
            let targets: Option<Vec<(Sym, Observed)>> =
                (1..image.marks()).into_par_iter().map(target).collect();
            Some(Accounts { commit, targets: targets? })
        })
    }

    /// What is remembered by a commit of the audit log, to be kept.
    pub fn keep<'a>(
        state: &Path,
        commit: Oid,
        targets: impl IntoIterator<Item = (Sym, &'a Observed)>,
    ) -> Unwritten {
        let mut writer = begin(commit);
        for (target, observed) in targets {
            writer.mark();
            target.pack(&mut writer);
            observed.pack(&mut writer);
        }
        finish(accounts_file(state), writer)
    }
}

impl Unwritten {
    /// Puts the file in place, whole or not at all.
    pub fn write(self) -> io::Result<()> {
        let Unwritten { file, bytes } = self;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = file.with_extension("new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(new, file)
    }

    /// The same on a thread of its own, for nobody waits for it.
    pub fn write_later(self) {
        std::thread::spawn(move || {
            if let Err(error) = self.write() {
                tracing::warn!(%error, "the cache was not written: the next start takes longer");
            }
        });
    }
}

/// Removes what is kept of a state folder.
pub fn forget(state: &Path) -> io::Result<()> {
    for file in [documents_file(state), accounts_file(state)] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn documents_file(state: &Path) -> PathBuf {
    state.join("cache").join("documents")
}

fn accounts_file(state: &Path) -> PathBuf {
    state.join("cache").join("accounts")
}

fn begin(commit: Oid) -> Writer {
    let mut writer = Writer::default();
    writer.mark();
    // Without a name of the build nobody can use what is written.
    Sym::new(&build().unwrap_or_default()).pack(&mut writer);
    Sym::new(&commit.to_string()).pack(&mut writer);
    writer
}

fn finish(file: PathBuf, writer: Writer) -> Unwritten {
    Unwritten { file, bytes: writer.finish() }
}

/// Opens a file and reads what is in it: its image, the symbols of its texts, the commit that it is of. A file that
/// does not give a value is no use to anybody and is removed.
fn open<T>(file: &Path, read: impl FnOnce(&Image<'_>, &[Sym], Oid) -> Option<T>) -> Option<T> {
    let bytes = match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        bytes => bytes.map_err(|error| error.to_string()),
    };
    let value = bytes.and_then(|bytes| parse(&bytes, read).map_err(str::to_owned));
    value
        .map_err(|why| {
            tracing::warn!(file = %file.display(), why, "a cache is thrown away: this start takes longer");
            // One that cannot be removed is refused again by the next start.
            drop(std::fs::remove_file(file));
        })
        .ok()
}

fn parse<T>(
    bytes: &[u8],
    read: impl FnOnce(&Image<'_>, &[Sym], Oid) -> Option<T>,
) -> Result<T, &'static str> {
    const DAMAGED: &str = "it is not what was written";
    let image = Image::open(bytes).ok_or(DAMAGED)?;
    let pieces = (0..image.len()).step_by(PIECE).collect::<Vec<_>>();
    let symbols = |from: &usize| image.texts(*from..image.len().min(from + PIECE));
    let texts: Option<Vec<Vec<Sym>>> = pieces.par_iter().map(symbols).collect();
    let texts = texts.ok_or(DAMAGED)?.concat();
    let (written_by, commit) =
        whole(&image, 0, &texts, <(Sym, Sym)>::unpack).ok_or("another version of the program wrote it")?;
    if build().is_none_or(|build| written_by != *build) {
        return Err("another build of the program wrote it");
    }
    let commit = Oid::from_str(commit.as_str()).map_err(|_| DAMAGED)?;
    read(&image, &texts, commit).ok_or(DAMAGED)
}

/// What is written at a mark, if it is that and no more.
fn whole<T>(
    image: &Image<'_>,
    mark: usize,
    texts: &[Sym],
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Option<T> {
    let mut reader = image.reader(mark, texts)?;
    read(&mut reader).filter(|_| reader.is_done())
}

/// Which build of the program this is, where that can be told. A version alone would not tell two builds of a checkout
/// apart, whose documents may have other fields.
fn build() -> Option<String> {
    let program = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
    let made = program.modified().ok()?;
    Some(format!("{FORMAT} {} {} {made:?}", env!("CARGO_PKG_VERSION"), program.len()))
}

#[cfg(test)]
mod tests;
