//! What the fuzz targets of `fuzz/` do with their input: whatever is read, nothing panics, and what is taken is what it
//! says.

use provost_audit::allowed::AllowedSigners;
use provost_audit::sshsig::read_signed;
use provost_audit::{ObjectId, decode_label, encode_label, parse_commit, parse_message, read_pack};

/// A commit that is taken consists of what was read of it and nothing else.
pub fn commit(data: &[u8]) {
    let Ok(commit) = parse_commit(data) else { return };
    let mut again = String::from_utf8(commit.payload).unwrap_or_default();
    if let Some(signature) = &commit.signature {
        let mut header = String::new();
        for (number, line) in signature.split_terminator('\n').enumerate() {
            header += &format!("{}{line}\n", if number == 0 { "gpgsig " } else { " " });
        }
        let head = again.find("\n\n").map_or(0, |end| end + 1);
        again.insert_str(head, &header);
    }
    assert_eq!(again.as_bytes(), data);
    let Ok(message) = parse_message(&commit.message) else { return };
    let labels = [&message.operation, &message.target, &message.subject, &message.evidence];
    for label in labels.into_iter().flatten() {
        let name = decode_label(label);
        // What is no name of ours (an escape that was not needed) still cannot become another trailer.
        assert!(!encode_label(&name).contains(['\n', ' ']));
    }
}

/// A pack that is taken has objects whose ids are those of their contents.
pub fn pack(data: &[u8]) {
    let Ok(objects) = read_pack(data) else { return };
    for (id, kind, content) in objects {
        assert_eq!(ObjectId::of(kind, &content), id);
    }
}

/// Every key of a file that is taken can be found again.
pub fn signers(data: &[u8]) {
    let Ok(signers) = AllowedSigners::parse(&String::from_utf8_lossy(data)) else { return };
    for allowed in signers.keys() {
        let at = allowed.valid_after.or(allowed.valid_before).unwrap_or_default();
        let namespace =
            allowed.namespaces.as_ref().map_or("any", |all| all.first().map_or("", String::as_str));
        let empty = allowed.valid_after > allowed.valid_before && allowed.valid_before.is_some();
        assert!(empty || signers.find(allowed.key.key_data(), namespace, at).is_some());
    }
}

/// A signed line that is taken is taken again in the form in which it is written.
pub fn signed(data: &[u8]) {
    let Ok(line) = read_signed(data, "approval@provost", 1 << 16) else { return };
    assert_eq!(read_signed(line.to_file().as_bytes(), "approval@provost", 1 << 17).as_ref(), Ok(&line));
}
