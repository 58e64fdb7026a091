//! Packs, written by us: entries as git's pack format version 2 has them, and the index version 2.
//!
//! The journal holds the same entries, so a pack that is built again from the journal is the same pack.

use std::io::Read as _;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use rustc_hash::FxHashMap;
use sha1::Digest as _;

use crate::error::{Error, Result};
use crate::id::ObjectId;
use crate::objects::ObjectKind;

/// `PACK`, version, number of objects.
const HEADER: usize = 12;

/// The entry type of a delta against an earlier entry of the same pack.
const OFS_DELTA: u8 = 6;

/// Deltas of this size are a hash and where it stands: compressing them takes time and saves nothing.
const STORED: usize = 64;

/// The most an object may unpack to; more is damage.
const MAX_OBJECT: u64 = 1 << 30;

/// Objects that are not in the repository yet, as the body of the pack that they will be.
pub(crate) struct PackBuffer {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    by_id: FxHashMap<ObjectId, usize>,
    deflater: Deflater,
}

/// Makes entries of a pack: what is compressed needs nothing of the pack that it will be in.
pub(crate) struct Deflater(Compress);

struct Entry {
    id: ObjectId,
    offset: usize,
    crc: u32,
}

/// A pack ready to be written: the body stays in the buffer.
pub(crate) struct Finished {
    /// The pack's checksum: its last 20 bytes, and its name.
    pub checksum: [u8; 20],
    /// The whole index file.
    pub index: Vec<u8>,
}

impl PackBuffer {
    pub(crate) fn new() -> PackBuffer {
        let mut bytes = Vec::with_capacity(64 * 1024);
        bytes.extend_from_slice(b"PACK\0\0\0\x02\0\0\0\0");
        PackBuffer { bytes, entries: Vec::new(), by_id: FxHashMap::default(), deflater: Deflater::new() }
    }

    /// The number of entries; also the mark to [`PackBuffer::roll_back`] to.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of the body without the checksum.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets all entries after the first `len`.
    pub(crate) fn roll_back(&mut self, len: usize) {
        if let Some(first) = self.entries.get(len) {
            self.bytes.truncate(first.offset);
        }
        for entry in self.entries.drain(len..) {
            self.by_id.remove(&entry.id);
        }
    }

    /// The entries from number `from` on: id and bytes, as the journal takes them.
    pub(crate) fn entries_from(&self, from: usize) -> impl Iterator<Item = (ObjectId, &[u8])> {
        (from..self.entries.len()).map(|number| {
            let end = self.entries.get(number + 1).map_or(self.bytes.len(), |next| next.offset);
            let entry = &self.entries[number];
            (entry.id, &self.bytes[entry.offset..end])
        })
    }

    /// Adds an object as it is. Gives its offset; an object that is there already is not added twice.
    pub(crate) fn add(&mut self, kind: ObjectKind, id: ObjectId, content: &[u8]) -> usize {
        if let Some(number) = self.by_id.get(&id) {
            return self.entries[*number].offset;
        }
        let offset = self.bytes.len();
        self.deflater.entry(kind, content, &mut self.bytes);
        self.end(id, offset)
    }

    /// Adds an object whose entry a [`Deflater`] made; one that is there already is not added twice.
    pub(crate) fn append(&mut self, id: ObjectId, entry: &[u8]) {
        if !self.contains(&id) {
            let offset = self.bytes.len();
            self.bytes.extend_from_slice(entry);
            self.end(id, offset);
        }
    }

    /// Adds an object as a delta against the entry at `base_offset`, whose content is `base`. Gives the offset, or
    /// `None` (and adds nothing) if the delta would not be much smaller than the object.
    pub(crate) fn add_delta(
        &mut self,
        id: ObjectId,
        base_offset: usize,
        base: &[u8],
        content: &[u8],
    ) -> Option<usize> {
        if let Some(number) = self.by_id.get(&id) {
            return Some(self.entries[*number].offset);
        }
        let delta = delta(base, content);
        if delta.len() * 2 > content.len() {
            return None;
        }
        let offset = self.bytes.len();
        write_entry_header(&mut self.bytes, OFS_DELTA, delta.len());
        write_distance(&mut self.bytes, offset - base_offset);
        self.deflater.deflate(&delta, &mut self.bytes);
        Some(self.end(id, offset))
    }

    /// Takes over an entry from the journal and checks that it is the object that it claims to be. Gives its kind.
    pub(crate) fn take_over(&mut self, id: ObjectId, entry: &[u8]) -> Result<ObjectKind> {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(entry);
        let (kind, content, end) = read_entry(&self.bytes, offset)?;
        if end != self.bytes.len() || ObjectId::of(kind, &content) != id {
            return Err(damaged(&format!("the journal's object {id} is not what its id says")));
        }
        self.end(id, offset);
        Ok(kind)
    }

    /// What this pack compresses with.
    pub(crate) fn deflater(&mut self) -> &mut Deflater {
        &mut self.deflater
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Kind and content of an object that is in the buffer.
    pub(crate) fn object(&self, id: &ObjectId) -> Option<Result<(ObjectKind, Vec<u8>)>> {
        let number = *self.by_id.get(id)?;
        Some(read_entry(&self.bytes, self.entries[number].offset).map(|(kind, content, _)| (kind, content)))
    }

    /// Completes the header and makes checksum and index.
    pub(crate) fn finish(&mut self) -> Finished {
        // More than u32::MAX entries would need a group of that many objects; groups are bounded far below.
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.bytes[8..HEADER].copy_from_slice(&count.to_be_bytes());
        let checksum: [u8; 20] = sha1::Sha1::digest(&self.bytes).into();
        Finished { checksum, index: index(&self.entries, &checksum) }
    }

    fn end(&mut self, id: ObjectId, offset: usize) -> usize {
        let mut crc = Crc::new();
        crc.update(&self.bytes[offset..]);
        self.by_id.insert(id, self.entries.len());
        self.entries.push(Entry { id, offset, crc: crc.sum() });
        offset
    }
}

impl Deflater {
    pub(crate) fn new() -> Deflater {
        // The fastest level: what is written here is packed again by maintenance.
        Deflater(Compress::new(Compression::fast(), true))
    }

    /// Adds the entry of a whole object to `bytes`.
    pub(crate) fn entry(&mut self, kind: ObjectKind, content: &[u8], bytes: &mut Vec<u8>) {
        write_entry_header(bytes, kind.pack_type(), content.len());
        self.deflate(content, bytes);
    }

    fn deflate(&mut self, content: &[u8], bytes: &mut Vec<u8>) {
        if content.len() <= STORED {
            store(bytes, content);
            return;
        }
        let Deflater(compress) = self;
        compress.reset();
        let mut taken = 0;
        loop {
            bytes.reserve(content.len() - taken + 128);
            let before = compress.total_in();
            let status = compress.compress_vec(&content[taken..], bytes, FlushCompress::Finish);
            taken += (compress.total_in() - before) as usize;
            // Deflating from memory into memory has no other way to fail than a full buffer, which grows above.
            if matches!(status, Ok(Status::StreamEnd)) {
                return;
            }
        }
    }
}

/// Content as it is, in the form of zlib (RFC 1950, and 3.2.4 of RFC 1951).
fn store(bytes: &mut Vec<u8>, content: &[u8]) {
    let len = content.len() as u16;
    bytes.extend_from_slice(&[0x78, 0x01, 0x01]);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&(!len).to_le_bytes());
    bytes.extend_from_slice(content);
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    bytes.extend_from_slice(&(b << 16 | a).to_be_bytes());
}

/// All objects of a pack, in its order: kind and content.
///
/// # Errors
/// [`Error::Damaged`] if the bytes are not a whole pack with the right checksum, or hold deltas against objects
/// outside of it.
pub fn read_pack(pack: &[u8]) -> Result<Vec<(ObjectId, ObjectKind, Vec<u8>)>> {
    let body = pack
        .len()
        .checked_sub(20)
        .filter(|end| *end >= HEADER)
        .ok_or_else(|| damaged("a pack is too short"))?;
    let checksum: [u8; 20] = sha1::Sha1::digest(&pack[..body]).into();
    if pack[..8] != *b"PACK\0\0\0\x02" || pack[body..] != checksum {
        return Err(damaged("a pack has a wrong header or checksum"));
    }
    let mut objects = Vec::new();
    let mut offset = HEADER;
    while offset < body {
        let (kind, content, end) = read_entry(&pack[..body], offset)?;
        objects.push((ObjectId::of(kind, &content), kind, content));
        offset = end;
    }
    Ok(objects)
}

/// Kind and content of the entry at `offset`, and where it ends.
fn read_entry(pack: &[u8], offset: usize) -> Result<(ObjectKind, Vec<u8>, usize)> {
    let cut = || damaged("an entry of a pack is cut off");
    let mut at = offset;
    let mut next = || {
        let byte = pack.get(at).copied();
        at += 1;
        byte.ok_or_else(cut)
    };
    let first = next()?;
    let pack_type = first >> 4 & 7;
    let mut size = u64::from(first & 15);
    let mut shift = 4;
    let mut more = first & 0x80 != 0;
    while more {
        let byte = next()?;
        size |= u64::from(byte & 0x7f).checked_shl(shift).ok_or_else(cut)?;
        shift += 7;
        more = byte & 0x80 != 0;
    }
    if size > MAX_OBJECT {
        return Err(damaged("an entry of a pack is too large"));
    }
    let mut distance = 0_u64;
    if pack_type == OFS_DELTA {
        let mut byte = next()?;
        distance = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = next()?;
            distance = (distance + 1).checked_mul(128).ok_or_else(cut)? | u64::from(byte & 0x7f);
        }
    }
    let mut inflater = flate2::bufread::ZlibDecoder::new(&pack[at..]);
    let mut content = Vec::with_capacity(size.min(1 << 20) as usize);
    (&mut inflater)
        .take(size + 1)
        .read_to_end(&mut content)
        .map_err(|error| damaged(&format!("an entry of a pack does not unpack: {error}")))?;
    if content.len() as u64 != size {
        return Err(damaged("an entry of a pack does not have the size it says"));
    }
    let end = at + inflater.total_in() as usize;
    if pack_type != OFS_DELTA {
        let kind = ObjectKind::from_pack_type(pack_type)
            .ok_or_else(|| damaged("an entry of a pack has a type that is not written here"))?;
        return Ok((kind, content, end));
    }
    let base = usize::try_from(distance).ok().filter(|d| *d > 0).and_then(|d| offset.checked_sub(d));
    let base = base.filter(|base| *base >= HEADER).ok_or_else(cut)?;
    let (kind, base, _) = read_entry(pack, base)?;
    Ok((kind, apply_delta(&base, &content).ok_or_else(|| damaged("a delta of a pack is malformed"))?, end))
}

fn write_entry_header(bytes: &mut Vec<u8>, pack_type: u8, size: usize) {
    let mut rest = size >> 4;
    let mut byte = pack_type << 4 | (size & 15) as u8;
    while rest > 0 {
        bytes.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    bytes.push(byte);
}

/// The distance back to a delta's base, as pack-format has it: base 128, most significant first, each step less one.
fn write_distance(bytes: &mut Vec<u8>, distance: usize) {
    let mut digits = vec![(distance & 0x7f) as u8];
    let mut rest = distance >> 7;
    while rest > 0 {
        rest -= 1;
        digits.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.extend(digits.iter().rev());
}

/// A delta for contents that differ in one stretch: what is equal at both ends is copied.
fn delta(base: &[u8], content: &[u8]) -> Vec<u8> {
    let shorter = base.len().min(content.len());
    let head = base.iter().zip(content).take_while(|(a, b)| a == b).count();
    let tail =
        base.iter().rev().zip(content.iter().rev()).take(shorter - head).take_while(|(a, b)| a == b).count();
    let mut delta = Vec::with_capacity(64);
    write_size(&mut delta, base.len());
    write_size(&mut delta, content.len());
    write_copy(&mut delta, 0, head);
    for chunk in content[head..content.len() - tail].chunks(127) {
        delta.push(chunk.len() as u8);
        delta.extend_from_slice(chunk);
    }
    write_copy(&mut delta, base.len() - tail, tail);
    delta
}

fn write_size(delta: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        delta.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    delta.push(size as u8);
}

fn write_copy(delta: &mut Vec<u8>, mut offset: usize, mut size: usize) {
    while size > 0 {
        // A copy takes two bytes of size here: zero would mean 0x10000, so it stays below.
        let now = size.min(0xffff);
        let at = delta.len();
        delta.push(0x80);
        for (bit, byte) in (offset as u32).to_le_bytes().into_iter().enumerate() {
            if byte != 0 {
                delta[at] |= 1 << bit;
                delta.push(byte);
            }
        }
        for (bit, byte) in (now as u16).to_le_bytes().into_iter().enumerate() {
            if byte != 0 {
                delta[at] |= 0x10 << bit;
                delta.push(byte);
            }
        }
        offset += now;
        size -= now;
    }
}

fn apply_delta(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta.iter().copied();
    let mut size = || -> Option<usize> {
        let (mut value, mut shift) = (0_usize, 0_u32);
        loop {
            let byte = rest.next()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    };
    let (base_size, content_size) = (size()?, size()?);
    if base_size != base.len() || content_size as u64 > MAX_OBJECT {
        return None;
    }
    let mut content = Vec::with_capacity(content_size.min(1 << 20));
    while let Some(op) = rest.next() {
        if op & 0x80 != 0 {
            let (mut offset, mut size) = (0_usize, 0_usize);
            for bit in 0..4 {
                if op & 1 << bit != 0 {
                    offset |= usize::from(rest.next()?) << (8 * bit);
                }
            }
            for bit in 0..3 {
                if op & 0x10 << bit != 0 {
                    size |= usize::from(rest.next()?) << (8 * bit);
                }
            }
            let size = if size == 0 { 0x10000 } else { size };
            content.extend_from_slice(base.get(offset..offset.checked_add(size)?)?);
        } else {
            for _ in 0..op {
                content.push(rest.next()?);
            }
        }
        if op == 0 || content.len() > content_size {
            return None;
        }
    }
    (content.len() == content_size).then_some(content)
}

/// The index, version 2. Packs stay below 2 GiB (the group's bound), so offsets need no second table.
fn index(entries: &[Entry], checksum: &[u8; 20]) -> Vec<u8> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_unstable_by_key(|entry| entry.id);
    let mut index = Vec::with_capacity(8 + 1024 + sorted.len() * 28 + 40);
    index.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut count = 0_u32;
    let mut remaining = sorted.iter().peekable();
    for first in 0..=255_u8 {
        while remaining.next_if(|entry| entry.id.0[0] == first).is_some() {
            count += 1;
        }
        index.extend_from_slice(&count.to_be_bytes());
    }
    for entry in &sorted {
        index.extend_from_slice(&entry.id.0);
    }
    for entry in &sorted {
        index.extend_from_slice(&entry.crc.to_be_bytes());
    }
    for entry in &sorted {
        index.extend_from_slice(&(entry.offset as u32).to_be_bytes());
    }
    index.extend_from_slice(checksum);
    let own: [u8; 20] = sha1::Sha1::digest(&index).into();
    index.extend_from_slice(&own);
    index
}

fn damaged(what: &str) -> Error {
    Error::Damaged(what.to_owned())
}
