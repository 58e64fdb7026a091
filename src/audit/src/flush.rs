//! From the pack buffer to the repository: pack, index, folder, ref. The caller truncates the journal after it.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenHow};
use crate::error::{Error, Result};
use crate::id::{CommitId, hex};
use crate::layout::Layout;
use crate::pack::PackBuffer;
use crate::reference;

/// Names of files that are being written. Not `tmp_`: `git prune` removes those.
const INCOMING: [&str; 2] = ["incoming.pack", "incoming.idx"];

/// What our `.keep` files say, so that those of an operator are left alone.
const KEEP: &[u8] = b"provost: until the ref has moved\n";

/// Writes the pack and moves the ref from `expected` to `tip`, each step durable before the next one. Gives the
/// `.keep` file, to be released once the journal is truncated.
pub(crate) fn write_pack(
    disk: &dyn Disk,
    layout: &Layout,
    pack: &mut PackBuffer,
    expected: Option<CommitId>,
    tip: CommitId,
) -> Result<PathBuf> {
    let finished = pack.finish();
    let packs = layout.packs();
    let name = format!("pack-{}", hex(&finished.checksum));
    // First of all: without it `git repack -ad` and `git gc --prune=now` delete a pack that no ref reaches yet.
    let keep = packs.join(format!("{name}.keep"));
    write(disk, &keep, &[KEEP], false)?;
    let [incoming_pack, incoming_index] = INCOMING.map(|name| packs.join(name));
    write(disk, &incoming_pack, &[pack.bytes(), &finished.checksum], true)?;
    write(disk, &incoming_index, &[&finished.index], true)?;
    for (from, extension) in [(&incoming_pack, "pack"), (&incoming_index, "idx")] {
        disk.rename(from, &packs.join(format!("{name}.{extension}"))).map_err(Error::io("renaming", from))?;
    }
    disk.sync_folder(&packs).map_err(Error::sync(&packs))?;
    reference::update(disk, layout, expected, tip)?;
    Ok(keep)
}

/// Removes a `.keep` file whose pack is reachable now.
pub(crate) fn release(disk: &dyn Disk, keep: &Path) -> Result<()> {
    match disk.remove(keep) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", keep)(error)),
        _ => Ok(()),
    }
}

/// Removes what a crash left in the folder of the packs. Everything of the journal has to be flushed before.
pub(crate) fn clear(disk: &dyn Disk, layout: &Layout) -> Result<()> {
    let packs = layout.packs();
    for name in disk.list(&packs).map_err(Error::io("listing", &packs))? {
        let path = packs.join(&name);
        let ours = INCOMING.contains(&name.as_str())
            || (name.ends_with(".keep") && disk.read(&path).is_ok_and(|text| is_our_keep(&text)));
        if ours {
            release(disk, &path)?;
        }
    }
    Ok(())
}

/// Its content was never synced: a crash may have cut it or left zeros.
fn is_our_keep(text: &[u8]) -> bool {
    let written = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    text.len() <= KEEP.len() && KEEP.starts_with(&text[..written])
}

fn write(disk: &dyn Disk, path: &Path, parts: &[&[u8]], durable: bool) -> Result<()> {
    let failed = || Error::io("writing", path);
    let mut file = disk.open(path, OpenHow::Replace).map_err(failed())?;
    let mut at = 0;
    for part in parts {
        file.write_at(at, part).map_err(failed())?;
        at += part.len() as u64;
    }
    if durable {
        file.sync().map_err(Error::sync(path))?;
    }
    Ok(())
}
