//! The documents of people and services as flat numbers, so that a restart need not parse them.
//!
//! What is kept is what parsing the file gives, not what counts: a document that is held back, lessened or broken is
//! kept as a file that has to be read again.

use super::{Blob, Slot, Snapshot, Version};
use crate::Sym;
use crate::document::{Document, Kind};
use crate::packed::{Packed, Reader, Writer};

/// A file of the commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its path.
    pub path: Sym,
    /// Its blob.
    pub blob: Blob,
    /// The document in it; none where it has to be read again.
    pub document: Option<Document>,
}

/// Files in one piece of work.
const PIECE: usize = 1024;

impl Snapshot {
    /// Writes every file of the commit, in pieces. Whether it could: not while there are paths that are no files.
    pub fn pack(&self, into: &mut Writer) -> bool {
        let at_home = |slot: Slot, version: &Version| self.at_home(slot, version);
        let identities =
            self.identities.iter().filter(|(id, version)| at_home((Kind::Person, **id), version));
        let known = identities.map(|(_, version)| (version.path, version.blob, Some(&version.document)));
        let rules = self.rules.iter().filter(|(slot, version)| at_home(**slot, version));
        let others = rules.map(|(_, version)| (version.path, version.blob));
        let others = others.chain(self.loose.values().map(|loose| (loose.path, loose.blob)));
        let files: Vec<_> = known.chain(others.map(|(path, blob)| (path, blob, None))).collect();
        if files.len() != self.files.len() || files.iter().any(|(_, blob, _)| *blob == [0; 20]) {
            return false;
        }
        for piece in files.chunks(PIECE) {
            into.mark();
            into.word(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            for (path, blob, document) in piece {
                path.pack(into);
                let (words, _) = blob.as_chunks::<4>();
                words.iter().for_each(|word| into.word(u32::from_le_bytes(*word)));
                // What parsing found beside the document, such as a warning, is found again by parsing.
                let document = document.filter(|_| !self.parse_problems.contains_key(path));
                document.is_some().pack(into);
                if let Some(document) = document {
                    document.pack_identity(into);
                }
            }
        }
        true
    }
}

impl Kept {
    /// Reads one piece of what [`Snapshot::pack`] wrote.
    pub fn unpack_piece(from: &mut Reader<'_>) -> Option<Vec<Kept>> {
        (0..from.word()?).map(|_| Kept::unpack(from)).collect()
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Kept> {
        let path = Sym::unpack(from)?;
        let mut blob = [0; 20];
        for bytes in blob.as_chunks_mut::<4>().0 {
            *bytes = from.word()?.to_le_bytes();
        }
        let document = match bool::unpack(from)? {
            true => Some(Document::unpack_identity(from)?),
            false => None,
        };
        Some(Kept { path, blob, document })
    }
}
