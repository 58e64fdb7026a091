//! Laws of reading: it never panics, never takes long, and gives back what was written.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use provost_core::document::{Document, FieldPath, Kind, MAX_BYTES, Person, locate, parse};

/// Far above what the slowest machine needs for one file, and far below what an attack on the parser would take.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn long_and_deep_input_is_refused_soon() {
    let nested = |text: &str| text.repeat(MAX_BYTES / text.len());
    let inputs = [
        nested("["),
        nested("{a: "),
        nested("- "),
        nested("? "),
        nested("a: ["),
        nested("\"\\"),
        nested("&a "),
        nested("*a\n"),
        nested("!<a> "),
        nested("k: 1\n"),
        nested("- &a [*a]\n"),
        nested("'"),
        nested("# \n"),
        nested("\u{202e}\n"),
        "x".repeat(2 * MAX_BYTES),
    ];
    for input in inputs {
        let text = format!("kind: Person\nid: p-1\nname: {input}");
        let begun = Instant::now();
        let parsed = parse("input.yaml", text.as_bytes());
        assert!(parsed.document.is_none() && !parsed.problems.is_empty(), "{}", &text[..60]);
        assert!(begun.elapsed() < SOON, "{:?} for {}", begun.elapsed(), &text[..60]);
    }
}

#[test]
fn a_field_is_found_where_it_stands_and_a_missing_one_where_it_would() {
    let text = b"kind: Person\nid: p-1\nroles:\n  - role: a\n  - role: b\n    until: 2026-12-05\n";
    let roles = FieldPath::field("roles");
    let place = |at: &FieldPath| locate(text, at).map(|place| (place.line, place.column));
    assert_eq!(place(&roles.index(1).key("until")), Some((6, 12)));
    assert_eq!(place(&roles.index(0).key("until")), Some((4, 5)));
    assert_eq!(place(&roles), Some((3, 1)));
    assert_eq!(place(&FieldPath::root()), Some((1, 1)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let parsed = parse("input.yaml", &bytes);
        prop_assert_eq!(parsed.document.is_some(), parsed.problems.is_empty());
    }

    #[test]
    fn reading_never_panics_on_what_looks_like_a_document(
        kind in proptest::sample::select(Kind::ALL.as_slice()),
        lines in proptest::collection::vec(
            "( {0,4}|- )(id|name|owners|roles|role|until|grants|accounts|given|expect|tiers|sides|config|[a-z]{1,3}): ?(\\[|\\{|\\]|\\}|\"|'|\\||>|&a|\\*a|!t|no|012|2026-12-01|[a-z,:# ]{0,8}){0,3}",
            0..12,
        ),
    ) {
        let text = format!("kind: {kind}\n{}\n", lines.join("\n"));
        let parsed = parse("input.yaml", text.as_bytes());
        let is_held_back = parsed.problems.iter().any(|problem| problem.severity == provost_core::document::Severity::Error);
        prop_assert_eq!(parsed.document.is_none(), is_held_back);
        for problem in &parsed.problems {
            prop_assert!(problem.line as usize <= text.lines().count() + 1, "{}", problem);
        }
    }

    #[test]
    fn both_ways_of_reading_agree(
        given in "(no|on|Ada|012|1e5|~|[A-Za-z0-9' :#,\\[{}\"@.`<=^-]{1,8}|Zoë|\u{202e})",
        role in "([a-z]{1,5}|12:30|null|true|.5|0x1f|-)",
        until in "(2026-1[0-3]-0[1-9]|soon|2026-12-05T18:00\\+01:00|)",
        first in proptest::sample::select(vec!["kind: Person\n", "---\nkind: Person\n", "# ordinary\nkind: Person\n"]),
    ) {
        let body = format!(
            "id: p-1\nname: {{display: {given}}}\nusername: ada\nemployment: employee\nroles:\n  - role: {role}\n    until: {until}\n"
        );
        // The second way is taken for whatever begins in another way than with its kind.
        let ways = [format!("kind: Person\n{body}"), format!("{first}{body}"), format!("{body}kind: Person\n")];
        let [quick, other, last] = ways.map(|text| parse("input.yaml", text.as_bytes()));
        prop_assert_eq!(&quick.document, &other.document);
        prop_assert_eq!(&quick.document, &last.document);
        prop_assert_eq!(quick.key, last.key);
    }

    #[test]
    fn a_document_reads_back_as_it_was_written(
        id in "p-[a-z0-9]{1,10}",
        display in "Z[^\\p{C}\\p{Z}]([^\\p{C}\\p{Z}]| ){0,20}[^\\p{C}\\p{Z}]",
        username in "u[a-z0-9._]{0,8}[a-z]",
        attributes in proptest::collection::btree_map("k[a-z]{0,5}", "v[ -~]{0,12}[!-~]", 0..4),
        day in 1_u8..28,
    ) {
        let value = serde_json::json!({
            "kind": "Person", "id": id, "name": {"display": display}, "username": username,
            "employment": "employee", "end": format!("2026-02-{day:02}"),
            "attributes": attributes,
            "roles": [{"role": "on-call", "until": format!("2026-02-{day:02}T10:00:00Z"), "reason": display}],
            "accounts": {"forge": {"username": username}, "prod": {"admin": {"anchor": display}}},
        });
        let document = Document::from_value(&value).map_err(TestCaseError::fail)?;
        let yaml = serde_yaml::to_string(&document).expect("a document can be written");
        let json = serde_json::to_string_pretty(&document).expect("a document can be written");
        for written in [yaml, json] {
            let parsed = parse("input.yaml", written.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            prop_assert_eq!(parsed.document.as_ref(), Some(&document));
        }
        let Document::Person(person) = document else { return Err(TestCaseError::fail("no person")) };
        let person: &Person = &person;
        prop_assert_eq!(serde_json::to_value(person).ok().and_then(|value| serde_json::from_value(value).ok()), Some(person.clone()));
    }
}
