//! What people sign, and with which keys.

use base64::Engine as _;
use provost_core::approval::{
    Keys, MAX_STATEMENT, NotStatement, Predicate, Request, RevokedKeys, Signers, Statement, Word,
};

use super::{OURS, account, at, grant, key};

#[test]
fn a_statement_is_read_as_it_was_written_and_nothing_else_is() {
    let predicate = Predicate {
        installation: OURS.into(),
        reference: "refs/heads/main".into(),
        commit: "c0ffee".into(),
        approver: "p-1".into(),
        decision: Word::Approve,
        requests: vec![grant("p-9", "admins", 100, 200), Request::Enable(account("p-9", "a-1"))],
        expires: at(1_000),
        nonce: "n".into(),
        shown: "what is shown".into(),
    };
    let statement = Statement::new(predicate.clone());
    let bytes = statement.to_bytes();
    assert_eq!(Statement::parse(&bytes).unwrap(), statement);
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("admins", "owners"),
        ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v2"),
        ("urn:x-provost:approval:v1", "urn:x-provost:approval:v0"),
        ("\"nonce\"", "\"unknown\""),
        ("{\"_type\"", "{\"more\":1,\"_type\""),
        ("\"installation-1\"", "\"\""),
        ("c0ffee", "c0\\u001bffee"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Statement::parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{from} -> {to}");
    }
    let with =
        |requests| Statement::parse(&Statement::new(Predicate { requests, ..predicate.clone() }).to_bytes());
    assert!(with(Vec::new()).is_err(), "about nothing");
    assert!(with(vec![grant("p-9", "admins", 1, 2); 1_000]).is_ok());
    assert!(with(vec![grant("p-9", "admins", 1, 2); 1_001]).is_err());
    let shown =
        |length| Statement::new(Predicate { shown: "x".repeat(length), ..predicate.clone() }).to_bytes();
    let most = MAX_STATEMENT - shown(0).len();
    // An empty field is left out; one that is there has a name, quotes, a colon and a comma.
    let named = shown(1).len() - shown(0).len() - 1;
    assert_eq!(shown(most - named).len(), MAX_STATEMENT);
    assert!(Statement::parse(&shown(most - named)).is_ok());
    let longer = Statement::parse(&shown(most - named + 1));
    assert_eq!(longer, Err(NotStatement::TooLong(MAX_STATEMENT + 1)));
    let installed = |length| {
        let installation = "i".repeat(length);
        Statement::parse(&Statement::new(Predicate { installation, ..predicate.clone() }).to_bytes())
    };
    assert!(installed(128).is_ok());
    assert_eq!(installed(129), Err(NotStatement::Text("installation")));
    assert_eq!(installed(200), Err(NotStatement::Text("installation")));
}

#[test]
fn allowed_signers_are_read_strictly() {
    let key = key(1);
    for good in [
        format!("p-1 {key} a comment"),
        format!(
            "# comment\n\np-1 {key}\np-1 namespaces=\"git,approval@provost\",valid-after=\"20260101Z\",valid-before=20261231235959Z {key}"
        ),
        format!("\"p-1\" valid-after=\"202601010000Z\" {key}"),
    ] {
        assert!(Signers::parse(good.as_bytes()).is_ok(), "{good}: {:?}", Signers::parse(good.as_bytes()));
    }
    for bad in [
        format!("* {key}"),
        format!("p-? {key}"),
        format!("!p-1 {key}"),
        format!("p-1,p-2 {key}"),
        format!("p-1 {key}\np-2 {key}"),
        format!("p-1 cert-authority {key}"),
        format!("p-1 verify-required {key}"),
        format!("p-1 namespaces=\"*\" {key}"),
        format!("p-1 valid-after=\"20260101\" {key}"),
        format!("p-1 valid-after=\"20261301Z\" {key}"),
        format!("p-1 valid-after=20260101Z,valid-after=20260101Z {key}"),
        "p-1 ssh-ed25519 AAAA".to_owned(),
        format!("p-1 {}", key.to_string().replace("ssh-ed25519", "ssh-rsa")),
        "p-1 ssh-dss AAAAB3NzaC1kc3MAAAAA".to_owned(),
        "p-1".to_owned(),
        format!("\"p-1 {key}"),
    ] {
        assert!(Signers::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Signers::parse(b"\xff").is_err());
    let two = Signers::parse(format!("p-1 {key}\np-2 {}", self::key(2)).as_bytes()).unwrap();
    let one = Signers::parse(format!("p-1 {key}").as_bytes()).unwrap();
    assert!(one.only_takes_away(&two) && !two.only_takes_away(&one));
    let dated = Signers::parse(format!("p-1 valid-before=20260101Z {key}").as_bytes()).unwrap();
    assert!(dated.signers[0].is_good_for("approval@provost", "2026-01-01T00:00:00.9Z".parse().unwrap()));
    assert!(!dated.signers[0].is_good_for("approval@provost", "2026-01-01T00:00:01Z".parse().unwrap()));
}

#[test]
fn allowed_signers_say_exactly_what_is_written() {
    let key = key(1);
    let of = |line: String| Signers::parse(line.as_bytes()).unwrap().signers.remove(0);
    let (first, last) = ("2026-01-01T00:00:00Z".parse().ok(), "2026-12-31T23:59:59Z".parse().ok());
    for (options, names) in [
        (
            "namespaces=\"git,approval@provost\",valid-after=20260101Z,valid-before=\"20261231235959Z\" ",
            vec!["git", "approval@provost"],
        ),
        (
            "valid-after=\"202601010000Z\",valid-before=20261231235959Z,namespaces=\"approval@provost\" ",
            vec!["approval@provost"],
        ),
        ("VALID-AFTER=20260101000000Z,namespaces=\"a b,c\",valid-before=20261231235959Z ", vec!["a b", "c"]),
    ] {
        let signer = of(format!("p-1 {options}{key} whose"));
        let names = names.into_iter().map(Into::into).collect::<Vec<provost_core::Sym>>();
        assert_eq!(
            (signer.person, signer.key, signer.namespaces),
            ("p-1".into(), key, Some(names)),
            "{options}"
        );
        assert_eq!((signer.valid_after, signer.valid_before), (first, last), "{options}");
    }
    let signer = of(format!("p-1 {key}"));
    assert_eq!((signer.namespaces, signer.valid_after, signer.valid_before), (None, None, None));
    let refused = |line: &str| Signers::parse(line.as_bytes()).unwrap_err().remove(0).reason;
    assert!(refused(&format!("p-1 cert-authority {key}")).starts_with("certificate authorities"));
    assert_eq!(refused("p-1"), "the line is cut off");
    assert_eq!(refused(&format!("\"p-1 {key}")), "a quote is not closed");
    assert_eq!(format!("{key:?}"), key.fingerprint());
}

#[test]
fn a_file_of_keys_has_ten_thousand_lines_at_most() {
    let of = |count| {
        let lines: String = std::iter::repeat_n(format!("{}\n", key(1)), count).collect();
        RevokedKeys::parse(lines.as_bytes()).is_ok()
    };
    assert!(of(10_000) && !of(10_001) && !of(10_002));
}

#[test]
fn who_has_a_key_and_until_when_follows_from_dates_namespaces_and_revocation() {
    let lines = [
        format!("p-1 {}", key(1)),
        format!("p-2 namespaces=\"git\" {}", key(2)),
        format!("p-3 valid-after=\"20260101Z\",valid-before=\"20260201Z\" {}", key(3)),
        format!("p-4 {}", key(4)),
        format!("p-4 valid-after=\"20260110Z\" {}", key(14)),
    ];
    let signers = Signers::parse(lines.join("\n").as_bytes()).unwrap();
    let revoked = RevokedKeys::parse(format!("{}\n", key(4)).as_bytes()).unwrap();
    let keys = Keys { allowed: Some(&signers), revoked: Some(&revoked) };
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let people = |at: &str| keys.people(time(at)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(people("2025-12-31T23:59:59Z"), ["p-1"]);
    assert_eq!(people("2026-01-01T00:00:00Z"), ["p-1", "p-3"]);
    assert_eq!(people("2026-01-10T00:00:00Z"), ["p-1", "p-3", "p-4"]);
    assert_eq!(people("2026-02-01T00:00:01Z"), ["p-1", "p-4"]);
    let has = |who: &str| keys.has_any(who.into());
    assert!(has("p-1") && has("p-3") && has("p-4"), "whatever its dates");
    assert!(!has("p-2"), "a key for another purpose");
    assert!(!has("p-9"), "nobody's");
    let all = RevokedKeys::parse(format!("{}\n{}\n", key(4), key(14)).as_bytes()).unwrap();
    assert!(!Keys { allowed: Some(&signers), revoked: Some(&all) }.has_any("p-4".into()), "each is revoked");
    let next = |at: &str| keys.next_change(time(at)).map(|at| at.to_string());
    assert_eq!(next("2025-12-01T00:00:00Z").as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(next("2026-01-01T00:00:00Z").as_deref(), Some("2026-01-10T00:00:00Z"));
    assert_eq!(next("2026-01-10T00:00:00Z").as_deref(), Some("2026-02-01T00:00:01Z"));
    assert_eq!(next("2026-02-01T00:00:01Z"), None);
}

/// A revocation list with one section.
fn krl(section: u8, entries: &[&[u8]]) -> Vec<u8> {
    let string = |bytes: &[u8]| {
        let mut encoded = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        encoded.extend(bytes);
        encoded
    };
    let mut list = b"SSHKRL\n\0\0\0\0\x01".to_vec();
    list.extend([0; 24]);
    list.extend(string(b""));
    list.extend(string(b"a comment"));
    list.push(section);
    list.extend(string(&entries.iter().flat_map(|entry| string(entry)).collect::<Vec<u8>>()));
    list
}

#[test]
fn revoked_keys_are_a_list_or_a_revocation_list() {
    use sha2::Digest as _;
    let blob = key(1).blob();
    let list = format!("# why\n{} comment\n", key(1));
    let sha256 = sha2::Sha256::digest(&blob);
    let sha1 = <sha1::Sha1 as sha1::Digest>::digest(&blob);
    for bytes in [list.into_bytes(), krl(2, &[&blob]), krl(3, &[&sha1]), krl(5, &[&sha256])] {
        let revoked = RevokedKeys::parse(&bytes).unwrap();
        assert!(revoked.has(&key(1)) && !revoked.has(&key(2)));
        let none = RevokedKeys::parse(b"").unwrap();
        assert!(revoked.only_takes_away(&none) && !none.only_takes_away(&revoked));
    }
    assert!(RevokedKeys::parse(&krl(1, &[&blob])).is_err(), "certificates");
    assert!(
        RevokedKeys::parse(&krl(5, &[&sha1])).is_err() && RevokedKeys::parse(&krl(3, &[&sha256])).is_err()
    );
    assert!(RevokedKeys::parse(&krl(2, &[b"no key"])).is_err());
    let whole = krl(2, &[&blob]);
    for end in 8..whole.len() {
        // Where the header ends, a list without sections ends too.
        let cut = RevokedKeys::parse(&whole[..end]);
        assert!(cut.is_err() || cut.is_ok_and(|cut| cut.revoked.is_empty() && end == 53), "cut at {end}");
    }
    let mut other = whole;
    other[11] = 2;
    assert!(RevokedKeys::parse(&other).is_err(), "another format");
    assert_eq!(key(1).fingerprint().len(), 50);
    assert!(base64::engine::general_purpose::STANDARD.encode(&blob).starts_with("AAAAC3NzaC1lZDI1NTE5"));
}
