use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::document::{Person, Service};

fn ada() -> Person {
    serde_json::from_value(serde_json::json!({
        "id": "p-1", "name": {"given": "Ada", "family": "Osei"}, "username": "aosei",
        "email": "Ada.Osei@example.com", "title": "Engineer", "keys": ["ssh-ed25519 A", "ssh-ed25519 B"],
        "attributes": {"clearance": "high", "cost-centre": "77"},
    }))
    .expect("a person")
}

fn engineering() -> Option<Post> {
    Some(Post {
        employment: Some("employee".into()),
        department: Some("engineering".into()),
        manager: Some("p-7".into()),
    })
}

fn met(text: &str) -> bool {
    Condition::compile(text, Subject::Person)
        .unwrap_or_else(|error| panic!("{text}: {error:?}"))
        .is_met(Asked::Person(&ada(), engineering()))
}

fn refused(text: &str) -> ConditionError {
    Condition::compile(text, Subject::Person).expect_err(text)
}

#[test]
fn a_condition_reads_the_fields_of_the_employment_that_is_considered() {
    assert!(met("person.employment == 'employee' && person.department == 'engineering'"));
    let condition = Condition::compile("person.department == 'sales'", Subject::Person).expect("a condition");
    assert!(!condition.is_met(Asked::Person(&ada(), engineering())));
    let sales = Some(Post { department: Some("sales".into()), ..Post::default() });
    assert!(condition.is_met(Asked::Person(&ada(), sales)));
    assert_eq!(condition.footprint(), [Field::Department]);
}

#[test]
fn the_whole_subset_has_the_meaning_that_cel_gives_it() {
    for (text, value) in [
        ("true", true),
        ("!(person.title == \"Engineer\")", false),
        ("person.department in ['sales', 'engineering']", true),
        ("person.department in []", false),
        ("person.title != 'Manager' || false", true),
        ("person.email.lowerAscii().endsWith('@example.com')", true),
        ("person.email.contains('Osei') && person.email.startsWith('Ada')", true),
        ("person.name.given + ' ' + person.name.family == person.name.display", true),
        ("(person.location == '' ? 'remote' : person.location) == 'remote'", true),
        ("person.location == '' && person.attributes.nothing == ''", true),
        ("person.attributes.clearance == 'high'", true),
        ("person.attributes['cost-centre'] == '77'", true),
        ("(person.title == 'Engineer') == true", true),
        ("'ssh-ed25519 B' in person.keys", true),
        ("person.manager == 'p-7' && person.id == 'p-1' && person.status == 'active'", true),
        ("person.title.upperAscii() == 'ENGINEER'", true),
        ("person.title == 'it\\'s'", false),
        ("person.title\n  == 'Engineer'", true),
        ("person.title == 'ünïcode' || person.title == 'Engineer'", true),
    ] {
        assert_eq!(met(text), value, "{text}");
    }
}

#[test]
fn unknown_fields_and_wrong_types_have_a_place_and_a_hint() {
    for (text, at, says, hint) in [
        ("person.deprtment == 'x'", "person.deprtment", "no field `deprtment`", "did you mean `department`?"),
        ("true && person.department", "person.department", "true or false is needed", "compare it"),
        ("person.title == true", "true", "a text is needed", ""),
        ("department == 'x'", "department", "not known", "did you mean `person.department`?"),
        ("person.title == engineering", "engineering", "not known", "'engineering'"),
        ("persn.title == 'x'", "persn", "not known", "did you mean `person`?"),
        ("person.name == 'x'", "person.name", "no field `name`", "name.given"),
        ("person == 'x'", "person", "alone has no value", "person.id"),
        ("person.title = 'x'", "= 'x'", "means nothing", "=="),
        ("person.title == 'x' and true", "and", "not known", ""),
        ("person.title.size() == 'x'", "size", "no function", "known are"),
        ("person.title.startWith('x')", "startWith", "no function", "did you mean `startsWith`?"),
        ("person.title.matches('x*')", "matches", "no function", "no regular expressions"),
        ("has(person.title)", "has", "no function", "!= ''"),
        ("['a'].exists(x, x == 'a')", "exists", "no function", "no comprehensions"),
        ("person.employee_number == 12", "12", "means nothing", "quote it"),
        ("person.title == 'x", "'x", "never closed", ""),
        ("person.title == '''x'''", "''", "plain quotes", ""),
        ("person.title == r'x'", "r", "plain quotes", ""),
        ("person.title in 'x'", "'x'", "a list is needed", "in ["),
        ("person.title == ['x']", "['x']", "not compared", "in ["),
        ("person.title == ‘x’", "‘x’", "means nothing", "plain quotes"),
        ("person.title.startsWith()", "person.title.startsWith", "takes one argument", ""),
        ("person.title ==", "", "does not go on", ""),
        ("(person.title == 'x'", "", "does not go on", ""),
        ("person.title == 'x')", ")", "does not go on", ""),
        ("", "", "does not go on", ""),
        ("person.title == 'x' && service.id == 'y'", "service", "not known", "not both"),
    ] {
        let error = refused(text);
        assert!(error.message.contains(says), "{text}: {error:?}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{text}: {error:?}");
        assert!(text[error.offset..].starts_with(at), "{text}: {error:?}, not at {at}");
        assert!(error.message.ends_with('.'), "{error:?} is a sentence");
    }
    let both = Condition::of_role("person.id == 'x' && service.id == 'y'").expect_err("two subjects");
    assert_eq!(both.offset, 20);
}

#[test]
fn a_role_is_about_whom_its_condition_names() {
    let service: Service = serde_json::from_value(serde_json::json!({
        "id": "s-export", "owners": ["p-1"], "purpose": "export", "attributes": {"tier": "1"},
    }))
    .expect("a service");
    let condition = Condition::of_role("service.attributes.tier == '1' && service.username == 'export'")
        .expect("a condition");
    assert_eq!(condition.subject(), Subject::Service);
    assert!(condition.is_met(Asked::Service(&service)));
    let everybody = Condition::of_role("true").expect("a condition");
    assert!(everybody.is_met(Asked::Person(&ada(), None)));
    assert!(!everybody.is_met(Asked::Service(&service)));
}

#[test]
fn bombs_are_refused_before_they_cost_anything() {
    let mut nested = String::from("true");
    for n in 0..30 {
        nested = format!("['a','b','c'].all(x{n}, {nested})");
    }
    let bombs = [
        nested,
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        format!("{}true", "!".repeat(1_900)),
        format!("{}true", "true?".repeat(100)),
        "person.title == 'x' || ".repeat(80) + "true",
        "a".repeat(1 << 20),
        "'".repeat(1 << 20),
        format!("person.title == '{}'", "x".repeat(1 << 20)),
        "[".repeat(2_000),
        "person".to_owned() + &".a".repeat(900),
    ];
    let begun = Instant::now();
    for bomb in &bombs {
        refused(bomb);
    }
    // A hundred times what it takes; nested `all` alone took 9 s in the crate's interpreter.
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn the_largest_that_is_allowed_is_compiled_quickly() {
    let deep = format!("{}person.title == 'x'{}", "(".repeat(16), ")".repeat(16));
    let wide = (0..60).map(|_| "person.title == 'x'").collect::<Vec<_>>().join(" || ");
    let long = format!("person.title in [{}]", vec!["'x'"; 190].join(","));
    let begun = Instant::now();
    for text in [&deep, &wide, &long] {
        assert!(!met(text), "{text}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_template_is_a_path_or_an_expression() {
    let person = ada();
    let asked = Asked::Person(&person, engineering());
    let value = |text: &str| Template::compile(text).expect(text).value(asked);
    assert!(matches!(Template::compile("person.name.display"), Ok(Template::Path(Field::DisplayName))));
    assert_eq!(value("person.name.display"), Some("Ada Osei".into()));
    assert_eq!(value("'adm-' + person.username"), Some("adm-aosei".into()));
    assert_eq!(value("person.location"), None);
    assert_eq!(value("person.location + ''"), None);
    assert_eq!(value("person.department == 'engineering'"), Some(Value::Bool(true)));
    let keys = Value::List(["ssh-ed25519 A".to_owned(), "ssh-ed25519 B".to_owned()].into());
    assert_eq!(value("person.keys"), Some(keys));
    assert_eq!(
        value("service.username"),
        Some("aosei".into()),
        "both words stand for whoever has the account"
    );
    let error = Template::compile("person.usrname").expect_err("no such field");
    assert_eq!(error.hint.as_deref(), Some("did you mean `username`?"));
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(text in "[ -~\\n]{0,60}") {
        let _ = Condition::of_role(&text);
    }

    #[test]
    fn no_sequence_of_words_makes_the_compiler_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "person", ".title", ".", "'x'", "==", "!=", "&&", "||", "!", "in", "[", "]", "(", ")", "+", "?", ":",
            ",", "true", "false", "service", ".id", ".contains(", "person.department", ".attributes", "['a']", "''",
            ".lowerAscii()", "\n",
        ]), 0..24)
    ) {
        let text = words.join(" ");
        if let Err(error) = Condition::of_role(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(text.is_char_boundary(error.offset));
        }
    }
}
