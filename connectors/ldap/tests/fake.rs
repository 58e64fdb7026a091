//! A server of a few canned answers, for what no server at hand does: the ranges of a real Active Directory, and the
//! attributes of 389.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use ldap3::asn1::{
    ASNTag, Enumerated, Integer, OctetString, PL, Sequence, Set, StructureTag, Tag, TagClass, parse_tag,
    write,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An entry: its DN, and values by attribute.
pub(crate) type FakeEntry = (String, BTreeMap<String, Vec<Vec<u8>>>);
/// What it answers to a search, by base and wanted attributes.
pub(crate) type Answers = dyn Fn(&str, &[String]) -> Vec<FakeEntry> + Send + Sync;

/// The modifications that came: DN, attribute and values.
pub(crate) type Log = Arc<Mutex<Vec<(String, String, Vec<String>)>>>;

/// The server; it ends with the test.
pub(crate) struct Fake {
    /// The URL of it.
    pub url: String,
    /// What was changed.
    pub modified: Log,
}

impl Fake {
    /// Starts one.
    pub(crate) async fn start(answers: Box<Answers>) -> Fake {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        let modified = Log::default();
        let (answers, log) = (Arc::<Answers>::from(answers), modified.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), log.clone()));
            }
        });
        Fake { url, modified }
    }
}

/// An entry of texts.
pub(crate) fn entry(dn: &str, values: &[(&str, &[&str])]) -> FakeEntry {
    let bytes = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
    (dn.into(), values.iter().map(|(name, values)| ((*name).to_owned(), bytes(values))).collect())
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, log: Log) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|length| length > 0) {
        while let Ok((rest, message)) = parse_tag(&read) {
            read = rest.to_vec();
            let parts = message.expect_constructed().unwrap();
            let id = i64::from(*primitive(&parts[0]).last().unwrap());
            let operation = &parts[1];
            let mut out = BytesMut::new();
            match operation.id {
                0 => reply(&mut out, id, 1, vec![]),
                3 => {
                    let fields = constructed(operation);
                    let wanted: Vec<String> = constructed(&fields[7]).iter().map(text).collect();
                    for (dn, values) in answers(&text(&fields[0]), &wanted) {
                        let attributes = values.into_iter().map(|(name, values)| {
                            let values = values.into_iter().map(octets).collect();
                            let values = Tag::Set(Set { inner: values, ..Default::default() });
                            sequence(vec![octets(name.into_bytes()), values])
                        });
                        send(&mut out, id, 4, vec![octets(dn.into_bytes()), sequence(attributes.collect())]);
                    }
                    reply(&mut out, id, 5, vec![]);
                }
                6 => {
                    let fields = constructed(operation);
                    for change in constructed(&fields[1]) {
                        let attribute = &constructed(change)[1];
                        let [name, values] = constructed(attribute) else { panic!("{attribute:?}") };
                        let values = constructed(values).iter().map(text).collect();
                        log.lock().unwrap().push((text(&fields[0]), text(name), values));
                    }
                    reply(&mut out, id, 7, vec![]);
                }
                _ => return,
            }
            stream.write_all(&out).await.unwrap();
        }
    }
}

/// An operation's success.
fn reply(out: &mut BytesMut, id: i64, operation: u64, more: Vec<Tag>) {
    let code = Tag::Enumerated(Enumerated { inner: 0, ..Default::default() });
    send(out, id, operation, [vec![code, octets(Vec::new()), octets(Vec::new())], more].concat());
}

fn send(out: &mut BytesMut, id: i64, operation: u64, inner: Vec<Tag>) {
    let operation = Tag::Sequence(Sequence { id: operation, class: TagClass::Application, inner });
    let id = Tag::Integer(Integer { inner: id, ..Default::default() });
    write::encode_into(out, sequence(vec![id, operation]).into_structure()).unwrap();
}

fn sequence(inner: Vec<Tag>) -> Tag {
    Tag::Sequence(Sequence { inner, ..Default::default() })
}

fn octets(inner: Vec<u8>) -> Tag {
    Tag::OctetString(OctetString { inner, ..Default::default() })
}

fn constructed(tag: &StructureTag) -> &[StructureTag] {
    match &tag.payload {
        PL::C(parts) => parts,
        PL::P(_) => panic!("{tag:?}"),
    }
}

fn primitive(tag: &StructureTag) -> &[u8] {
    match &tag.payload {
        PL::P(bytes) => bytes,
        PL::C(_) => panic!("{tag:?}"),
    }
}

fn text(tag: &StructureTag) -> String {
    String::from_utf8_lossy(primitive(tag)).into_owned()
}
