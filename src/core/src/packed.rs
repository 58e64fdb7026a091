//! Values as flat numbers with one table of texts: what the shell keeps in files so that a restart need not parse.
//!
//! Nothing is read that was not written by the same version of the program: there is no compatibility, only a check
//! that the bytes are the ones that were written. Whoever finds them odd does without.

use rustc_hash::FxHashMap;

use crate::Sym;

/// Collects values.
#[derive(Debug, Default)]
pub struct Writer {
    words: Vec<u32>,
    marks: Vec<u32>,
    texts: Vec<Sym>,
    places: FxHashMap<Sym, u32>,
}

/// Gives values back in the order in which they were written.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    words: &'a [u8],
    texts: &'a [Sym],
}

/// Bytes that [`Writer::finish`] gave, found whole.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    ends: &'a [u8],
    marks: &'a [u8],
    texts: &'a str,
    words: &'a [u8],
}

/// What can be written and read.
pub trait Packed: Sized {
    /// Writes it.
    fn pack(&self, into: &mut Writer);
    /// Reads it; none where the words make no such value.
    fn unpack(from: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes of a word.
const WORD: usize = 4;

/// Words in front of the rest: a checksum of it in two words, how many texts, marks, bytes of texts, words.
const HEAD: usize = 6;

impl Writer {
    /// Writes a number.
    pub fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Marks a place at which reading can begin.
    pub fn mark(&mut self) {
        self.marks.push(count(self.words.len()));
    }

    /// Everything as bytes.
    pub fn finish(self) -> Vec<u8> {
        let Writer { words, marks, texts, places: _ } = self;
        let size: usize = texts.iter().map(|text| text.as_str().len()).sum();
        let mut bytes = Vec::with_capacity((HEAD + texts.len() + marks.len() + words.len()) * WORD + size);
        bytes.extend([0; 2 * WORD]);
        for number in [texts.len(), marks.len(), size, words.len()] {
            bytes.extend(count(number).to_le_bytes());
        }
        let mut end = 0;
        for text in &texts {
            end += count(text.as_str().len());
            bytes.extend(end.to_le_bytes());
        }
        marks.iter().for_each(|mark| bytes.extend(mark.to_le_bytes()));
        texts.iter().for_each(|text| bytes.extend(text.as_str().as_bytes()));
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        let sum = checksum(&bytes[2 * WORD..]);
        bytes[..2 * WORD].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

impl<'a> Image<'a> {
    /// The parts of the bytes, if they are those that were written.
    pub fn open(bytes: &'a [u8]) -> Option<Image<'a>> {
        let (sum, rest) = bytes.split_at_checked(2 * WORD)?;
        if sum != checksum(rest).to_le_bytes() {
            return None;
        }
        let (head, rest) = rest.split_at_checked((HEAD - 2) * WORD)?;
        let [texts, marks, size, words] = [0, 1, 2, 3].map(|place| at(head, place));
        let (ends, rest) = rest.split_at_checked(texts? as usize * WORD)?;
        let (marks, rest) = rest.split_at_checked(marks? as usize * WORD)?;
        let (texts, rest) = rest.split_at_checked(size? as usize)?;
        let whole = rest.len() == words? as usize * WORD;
        whole.then_some(Image { ends, marks, texts: std::str::from_utf8(texts).ok()?, words: rest })
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len() / WORD
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The symbols of some of the texts, so that several threads can share the work.
    pub fn texts(&self, places: std::ops::Range<usize>) -> Option<Vec<Sym>> {
        let mut from = if places.start == 0 { 0 } else { at(self.ends, places.start - 1)? as usize };
        let mut symbols = Vec::with_capacity(places.len());
        for place in places {
            let to = at(self.ends, place)? as usize;
            symbols.push(Sym::new(self.texts.get(from..to)?));
            from = to;
        }
        Some(symbols)
    }

    /// How many marks there are.
    pub fn marks(&self) -> usize {
        self.marks.len() / WORD
    }

    /// Reads from a mark to the next one; `texts` are the symbols of all texts.
    pub fn reader(&self, mark: usize, texts: &'a [Sym]) -> Option<Reader<'a>> {
        let from = at(self.marks, mark)? as usize * WORD;
        let to = at(self.marks, mark + 1).map_or(self.words.len(), |next| next as usize * WORD);
        Some(Reader { words: self.words.get(from..to)?, texts })
    }
}

impl Reader<'_> {
    /// Reads a number.
    pub fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.words.split_first_chunk::<WORD>()?;
        self.words = rest;
        Some(u32::from_le_bytes(*word))
    }

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.words.is_empty()
    }

    /// How many values of at least a word can still follow.
    fn left(&self) -> usize {
        self.words.len() / WORD
    }
}

impl Packed for u32 {
    fn pack(&self, into: &mut Writer) {
        into.word(*self);
    }
    fn unpack(from: &mut Reader<'_>) -> Option<u32> {
        from.word()
    }
}

impl Packed for bool {
    fn pack(&self, into: &mut Writer) {
        into.word(u32::from(*self));
    }
    fn unpack(from: &mut Reader<'_>) -> Option<bool> {
        Some(from.word()? != 0)
    }
}

impl Packed for i64 {
    fn pack(&self, into: &mut Writer) {
        let bytes = self.to_le_bytes();
        into.word(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        into.word(u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
    }
    fn unpack(from: &mut Reader<'_>) -> Option<i64> {
        let (low, high) = (u64::from(from.word()?), u64::from(from.word()?));
        Some((low | high << 32).cast_signed())
    }
}

impl Packed for i32 {
    fn pack(&self, into: &mut Writer) {
        into.word(self.cast_unsigned());
    }
    fn unpack(from: &mut Reader<'_>) -> Option<i32> {
        Some(from.word()?.cast_signed())
    }
}

impl Packed for Sym {
    fn pack(&self, into: &mut Writer) {
        let Writer { texts, places, words, marks: _ } = into;
        let place = *places.entry(*self).or_insert_with(|| {
            texts.push(*self);
            count(texts.len() - 1)
        });
        words.push(place);
    }
    fn unpack(from: &mut Reader<'_>) -> Option<Sym> {
        let place = from.word()?;
        from.texts.get(place as usize).copied()
    }
}

impl<T: Packed> Packed for Option<T> {
    fn pack(&self, into: &mut Writer) {
        self.is_some().pack(into);
        if let Some(value) = self {
            value.pack(into);
        }
    }
    fn unpack(from: &mut Reader<'_>) -> Option<Option<T>> {
        match bool::unpack(from)? {
            true => Some(Some(T::unpack(from)?)),
            false => Some(None),
        }
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn pack(&self, into: &mut Writer) {
        into.word(count(self.len()));
        self.iter().for_each(|value| value.pack(into));
    }
    fn unpack(from: &mut Reader<'_>) -> Option<Vec<T>> {
        let len = from.word()? as usize;
        let mut values = Vec::with_capacity(len.min(from.left()));
        for _ in 0..len {
            values.push(T::unpack(from)?);
        }
        Some(values)
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    fn pack(&self, into: &mut Writer) {
        self.0.pack(into);
        self.1.pack(into);
    }
    fn unpack(from: &mut Reader<'_>) -> Option<(A, B)> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

impl Packed for jiff::Timestamp {
    fn pack(&self, into: &mut Writer) {
        self.as_second().pack(into);
        self.subsec_nanosecond().pack(into);
    }
    fn unpack(from: &mut Reader<'_>) -> Option<jiff::Timestamp> {
        jiff::Timestamp::new(i64::unpack(from)?, i32::unpack(from)?).ok()
    }
}

/// A struct as its fields, in this order. A field that is forgotten does not compile.
macro_rules! packed {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::packed::Packed for $type {
            fn pack(&self, into: &mut $crate::packed::Writer) {
                let $type { $($field),* } = self;
                $($crate::packed::Packed::pack($field, into);)*
            }
            fn unpack(from: &mut $crate::packed::Reader<'_>) -> Option<$type> {
                $(let $field = $crate::packed::Packed::unpack(from)?;)*
                Some($type { $($field),* })
            }
        }
    )*};
}
pub(crate) use packed;

/// An enum without fields as a number.
macro_rules! packed_words {
    ($($type:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        impl $crate::packed::Packed for $type {
            fn pack(&self, into: &mut $crate::packed::Writer) {
                into.word(match self { $($type::$variant => $word),* });
            }
            fn unpack(from: &mut $crate::packed::Reader<'_>) -> Option<$type> {
                Some(match from.word()? { $($word => $type::$variant,)* _ => return None })
            }
        }
    )*};
}
pub(crate) use packed_words;

fn at(words: &[u8], place: usize) -> Option<u32> {
    let word = words.get(place * WORD..)?.first_chunk::<WORD>()?;
    Some(u32::from_le_bytes(*word))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("an image holds fewer than four thousand million of anything")
}

/// Tells damage, not malice: who can write here can also write the program. Eight bytes at a time, for it is computed
/// over everything at each start.
fn checksum(bytes: &[u8]) -> u64 {
    /// The golden ratio as an odd number, which spreads each bit over the higher ones.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, next: u64| (sum.rotate_left(23) ^ next).wrapping_mul(SPREAD);
    let (whole, rest) = bytes.as_chunks::<8>();
    let sum = whole.iter().fold(bytes.len() as u64, |sum, next| mix(sum, u64::from_le_bytes(*next)));
    rest.iter().fold(sum, |sum, next| mix(sum, u64::from(*next)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.mark();
        vec![Some(Sym::new("ada")), None, Some(Sym::new("")), Some(Sym::new("Åsa"))].pack(&mut writer);
        (true, vec![-1_i64, i64::MAX]).pack(&mut writer);
        writer.mark();
        writer.word(7);
        writer.finish()
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = image();
        let image = Image::open(&bytes).expect("it is whole");
        let texts = image.texts(0..image.len()).expect("its texts");
        let apart = [image.texts(0..1), image.texts(1..image.len())].map(|part| part.expect("a part"));
        assert_eq!(texts, apart.concat());
        let mut reader = image.reader(0, &texts).expect("the first mark");
        let names = Vec::<Option<Sym>>::unpack(&mut reader).expect("names");
        assert_eq!(names, [Some("ada"), None, Some(""), Some("Åsa")].map(|name| name.map(Sym::new)));
        assert_eq!(<(bool, Vec<i64>)>::unpack(&mut reader), Some((true, vec![-1, i64::MAX])));
        assert!(reader.is_done(), "the next mark ends it");
        assert_eq!(reader.word(), None, "and no more");
        let mut next = image.reader(1, &texts).expect("the second mark");
        assert_eq!((next.word(), next.word()), (Some(7), None));
    }

    proptest! {
        #[test]
        fn damage_anywhere_is_found(place in any::<prop::sample::Index>(), bit in 0..8_u32, cut in any::<bool>()) {
            let mut bytes = image();
            let place = place.index(bytes.len());
            if cut {
                bytes.truncate(place);
            } else {
                bytes[place] ^= 1 << bit;
            }
            prop_assert!(Image::open(&bytes).is_none());
        }
    }
}
