//! Attacks on whoever reads: documents that are too much, and text that shows something else than what is there.

use provost_core::document::parse;

use super::scene::{Scene, person};
use super::threat;

fn is_read(text: &str) -> bool {
    parse("a.yaml", text.as_bytes()).document.is_some()
}

threat!(a_bomb_of_aliases, attack => {
    let (anchor, alias) = if attack { ("&a ", "*a") } else { ("", "x") };
    is_read(&format!("{}title: {anchor}x\nlocation: {alias}\n", person("p-nia", "")))
});

threat!(a_document_without_a_bottom, attack => {
    let depth = if attack { 100 } else { 0 };
    let value = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    is_read(&format!("kind: Target\nid: t\nconnector: gitea\nconfig: {{pages: {value}}}\nowners: [p-own]\n"))
});

threat!(a_document_without_an_end, attack => {
    let comment = "# nothing\n".repeat(if attack { 200_000 } else { 2 });
    is_read(&format!("{}{comment}", person("p-nia", "")))
});

threat!(a_bomb_of_conditions, attack => {
    let many = if attack { 100 } else { 2 };
    let condition = vec!["person.department == 'x'"; many].join(" || ");
    let role = format!("kind: Role\nid: wide\nowners: [p-own]\nassign: \"{condition}\"\ngrants: [{{target: forge, team: lab}}]\n");
    let mut scene = Scene::new();
    scene.commit("p-fred", &[("wide.yaml", &role)]);
    scene.organisation.snapshot().role("wide".into()).is_some()
});

threat!(text_that_runs_backwards, attack => {
    let mark = if attack { "\u{202e}" } else { "" };
    is_read(&person("p-nia", &format!("title: \"{mark}nimda\"\n")))
});

threat!(a_terminal_sequence_in_a_name, attack => {
    let escape = if attack { "\\e[2J" } else { "" };
    is_read(&person("p-nia", &format!("title: \"{escape}clerk\"\n")))
});

threat!(a_newline_in_a_name, attack => {
    let text = if attack { "\\nKind: genesis" } else { " Kind: genesis" };
    is_read(&person("p-nia", &format!("title: \"clerk{text}\"\n")))
});

threat!(a_secret_in_a_document, attack => {
    let secret = if attack { "admin:hunter2@" } else { "" };
    is_read(&format!("kind: Target\nid: t\nconnector: gitea\nconfig: {{url: \"https://{secret}git.example.com\"}}\nowners: [p-own]\n"))
});
