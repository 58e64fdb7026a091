//! Canonical JSON (RFC 8785), written straight from a value: keys in the order of UTF-16, numbers as ECMAScript writes
//! them, no blanks.
//!
//! Digests are over it, and a plan has as many digests as operations. So nothing is put together twice: what a value
//! says goes into one buffer, and an object whose keys came in another order is put in order there.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Why a value is no JSON: a key that is no text, a number that is not finite, or what the value itself says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotJson(String);

impl ser::Error for NotJson {
    fn custom<T: fmt::Display>(message: T) -> NotJson {
        NotJson(message.to_string())
    }
}

/// The canonical JSON of a value.
///
/// # Errors
/// The value has a key that is no text, or a number that is not finite.
pub(crate) fn to_string(value: &impl Serialize) -> Result<String, NotJson> {
    let mut writer = Writer { out: String::with_capacity(512), fields: Vec::new(), spare: String::new() };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

/// Whole numbers are written alike as integers and as doubles below this.
const EXACT: u64 = 1 << 53;

struct Writer {
    out: String,
    /// The fields of all objects that are open, those of the innermost last.
    fields: Vec<Field>,
    /// Where an object is put in order.
    spare: String,
}

/// One field of an object, by its place in what was written: `"key":value` without a comma.
#[derive(Clone, Copy)]
struct Field {
    begin: usize,
    colon: usize,
    end: usize,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.out.push('"');
        let _ = Escaped(&mut self.out).write_str(text);
        self.out.push('"');
    }

    fn integer(&mut self, number: i128) -> Result<(), NotJson> {
        match i64::try_from(number) {
            Ok(number) if number.unsigned_abs() < EXACT => {
                let _ = write!(self.out, "{number}");
                Ok(())
            }
            _ => self.number(number as f64),
        }
    }

    /// A number that is written otherwise as a double, or is one.
    fn number(&mut self, number: f64) -> Result<(), NotJson> {
        let text = serde_json_canonicalizer::to_string(&number).map_err(ser::Error::custom)?;
        self.out.push_str(&text);
        Ok(())
    }

    fn key(&self, field: &Field) -> Cow<'_, str> {
        let quoted = &self.out[field.begin..field.colon];
        match quoted.contains('\\') {
            false => Cow::Borrowed(&quoted[1..quoted.len() - 1]),
            true => Cow::Owned(serde_json::from_str(quoted).unwrap_or_default()),
        }
    }

    fn order(&self, left: &Field, right: &Field) -> Ordering {
        let (left, right) = (self.key(left), self.key(right));
        // The order of bytes is that of UTF-16 but for what lies beyond its first plane.
        match left.is_ascii() && right.is_ascii() {
            true => left.cmp(&right),
            false => left.encode_utf16().cmp(right.encode_utf16()),
        }
    }

    /// Closes an object that began with the `first` of the open fields. Of a key that stands twice the first counts.
    fn close(&mut self, first: usize) {
        let is_before = |pair: &[Field]| self.order(&pair[0], &pair[1]) == Ordering::Less;
        if !self.fields[first..].windows(2).all(is_before) {
            let mut fields = self.fields.split_off(first);
            let begin = fields[0].begin;
            fields.sort_by(|left, right| self.order(left, right));
            fields.dedup_by(|later, earlier| self.order(later, earlier) == Ordering::Equal);
            let mut spare = std::mem::take(&mut self.spare);
            spare.clear();
            for field in fields {
                if !spare.is_empty() {
                    spare.push(',');
                }
                spare.push_str(&self.out[field.begin..field.end]);
            }
            self.out.truncate(begin);
            self.out.push_str(&spare);
            self.spare = spare;
        }
        self.fields.truncate(first);
        self.out.push('}');
    }
}

/// Escapes what is written as RFC 8785, section 3.2.2.2 wants it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            let (plain, more) = rest.split_at(at);
            self.0.push_str(plain);
            let mut characters = more.chars();
            match characters.next() {
                Some('\u{8}') => self.0.push_str("\\b"),
                Some('\t') => self.0.push_str("\\t"),
                Some('\n') => self.0.push_str("\\n"),
                Some('\u{c}') => self.0.push_str("\\f"),
                Some('\r') => self.0.push_str("\\r"),
                Some('"') => self.0.push_str("\\\""),
                Some('\\') => self.0.push_str("\\\\"),
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.push_str(rest);
        Ok(())
    }
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {$(
        fn $name(self, number: $type) -> Result<(), NotJson> {
            self.integer(i128::from(number))
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = NotJson;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_u128(self, number: u128) -> Result<(), NotJson> {
        match i128::try_from(number) {
            Ok(number) => self.integer(number),
            Err(_) => self.number(number as f64),
        }
    }

    fn serialize_bool(self, is: bool) -> Result<(), NotJson> {
        self.out.push_str(if is { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), NotJson> {
        self.number(f64::from(number))
    }

    fn serialize_f64(self, number: f64) -> Result<(), NotJson> {
        self.number(number)
    }

    fn serialize_char(self, character: char) -> Result<(), NotJson> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), NotJson> {
        self.text(text);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), NotJson> {
        self.out.push('"');
        write!(Escaped(&mut self.out), "{value}").map_err(ser::Error::custom)?;
        self.out.push('"');
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), NotJson> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), NotJson> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotJson> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NotJson> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NotJson> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), NotJson> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotJson> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotJson> {
        self.out.push('{');
        self.text(variant);
        self.out.push(':');
        value.serialize(&mut *self)?;
        self.out.push('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, NotJson> {
        Ok(Compound::list(self, "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, NotJson> {
        Ok(Compound::list(self, "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, NotJson> {
        Ok(Compound::list(self, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, NotJson> {
        self.out.push('{');
        self.text(variant);
        self.out.push(':');
        Ok(Compound::list(self, "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, NotJson> {
        Ok(Compound::object(self, ""))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, NotJson> {
        Ok(Compound::object(self, ""))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, NotJson> {
        self.out.push('{');
        self.text(variant);
        self.out.push(':');
        Ok(Compound::object(self, "}"))
    }
}

/// A list or an object that is open.
struct Compound<'a> {
    writer: &'a mut Writer,
    /// How many fields were open when it began.
    first: usize,
    is_first: bool,
    /// What closes it; of an object, what comes after its own brace.
    end: &'static str,
}

impl<'a> Compound<'a> {
    fn list(writer: &'a mut Writer, end: &'static str) -> Compound<'a> {
        writer.out.push('[');
        Compound { first: writer.fields.len(), writer, is_first: true, end }
    }

    fn object(writer: &'a mut Writer, end: &'static str) -> Compound<'a> {
        writer.out.push('{');
        Compound { first: writer.fields.len(), writer, is_first: true, end }
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.writer.out.push(',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
        self.comma();
        value.serialize(&mut *self.writer)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotJson> {
        self.comma();
        let begin = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        match self.writer.out.as_bytes().get(begin) {
            Some(b'"') => {}
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.writer.out.insert(begin, '"');
                self.writer.out.push('"');
            }
            _ => return Err(NotJson("a key of an object is no text".to_owned())),
        }
        let colon = self.writer.out.len();
        self.writer.out.push(':');
        self.writer.fields.push(Field { begin, colon, end: colon });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
        value.serialize(&mut *self.writer)?;
        let end = self.writer.out.len();
        if let Some(field) = self.writer.fields.last_mut() {
            field.end = end;
        }
        Ok(())
    }

    fn end_list(self) -> Result<(), NotJson> {
        self.writer.out.push_str(self.end);
        Ok(())
    }

    fn end_object(self) -> Result<(), NotJson> {
        self.writer.close(self.first);
        self.writer.out.push_str(self.end);
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident: $method:ident),*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = NotJson;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
                self.element(value)
            }

            fn end(self) -> Result<(), NotJson> {
                self.end_list()
            }
        }
    )*};
}

lists!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! objects {
    ($($trait:ident),*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = NotJson;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NotJson> {
                self.key(key)?;
                self.value(value)
            }

            fn end(self) -> Result<(), NotJson> {
                self.end_object()
            }
        }
    )*};
}

objects!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = NotJson;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotJson> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotJson> {
        self.value(value)
    }

    fn end(self) -> Result<(), NotJson> {
        self.end_object()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Values of every shape that serde knows.
    #[derive(Debug, Clone, serde::Serialize)]
    struct Shapes {
        z: Shape,
        #[serde(rename = "\u{fffd}")]
        replaced: char,
        #[serde(rename = "\u{1f600}")]
        smile: Option<bool>,
        #[serde(rename = "a\"\\\n")]
        escaped: (u8, i128, u128, f32),
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
        numbered: BTreeMap<i64, Shape>,
        unit: (),
        tagged: Tagged,
    }

    #[derive(Debug, Clone, serde::Serialize)]
    enum Shape {
        Unit,
        Newtype(Box<Shape>),
        Tuple(i64, String),
        Struct { z: u64, a: f64 },
    }

    #[derive(Debug, Clone, serde::Serialize)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Tagged {
        Inner { b: u8, a: Vec<String> },
        Nothing,
    }

    #[derive(serde::Serialize)]
    struct Twice {
        a: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,4}", "[a-c]{0,2}", "[\u{0}-\u{20}\"\\\\\u{7f}-\u{a0}\u{e000}\u{10000}]{0,6}"]
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            prop::num::f64::ANY.prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let leaf = prop_oneof![
            Just(Shape::Unit),
            (any::<i64>(), text()).prop_map(|(number, text)| Shape::Tuple(number, text)),
            (any::<u64>(), prop::num::f64::NORMAL).prop_map(|(z, a)| Shape::Struct { z, a }),
        ];
        leaf.prop_recursive(3, 4, 1, |inner| inner.prop_map(|inner| Shape::Newtype(Box::new(inner))))
    }

    fn tagged() -> impl Strategy<Value = Tagged> {
        let inner = (any::<u8>(), prop::collection::vec(text(), 0..3));
        prop_oneof![Just(Tagged::Nothing), inner.prop_map(|(b, a)| Tagged::Inner { b, a })]
    }

    proptest! {
        #[test]
        fn it_is_what_another_implementation_writes(value in json()) {
            prop_assert_eq!(to_string(&value).unwrap(), serde_json_canonicalizer::to_string(&value).unwrap());
        }

        #[test]
        fn every_shape_of_serde_is_written_alike(
            z in shape(),
            numbered in prop::collection::btree_map(any::<i64>().prop_map(|n| n % 1000), shape(), 0..4),
            more in prop::collection::btree_map("[ -~\u{e000}\u{10400}]{1,3}x", json(), 0..4),
            (replaced, smile, escaped) in
                (any::<char>(), any::<Option<bool>>(), (any::<u8>(), any::<i128>(), any::<u128>(), prop::num::f32::NORMAL)),
            tagged in tagged(),
        ) {
            let value = Shapes { z, replaced, smile, escaped, more, numbered, unit: (), tagged };
            prop_assert_eq!(to_string(&value).unwrap(), serde_json_canonicalizer::to_string(&value).unwrap());
        }
    }

    #[test]
    fn what_is_no_json_is_refused_and_numbers_are_as_ecmascript_writes_them() {
        assert!(to_string(&f64::NAN).is_err() && to_string(&f64::INFINITY).is_err());
        let by_list: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(to_string(&by_list).is_err());
        assert_eq!(to_string(&Twice { a: 1, more: [("a".to_owned(), 2)].into() }).unwrap(), r#"{"a":1}"#);
        assert_eq!(to_string(&(1_u64 << 53)).unwrap(), "9007199254740992");
        assert_eq!(to_string(&u64::MAX).unwrap(), "18446744073709552000");
        assert_eq!(to_string(&[1e21, -0.0, 1e-7]).unwrap(), "[1e+21,0,1e-7]");
    }
}
