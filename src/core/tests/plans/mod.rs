//! Stories of planning: `tests/golden/plans/NAME/` holds the documents (`desired.yaml`, beside those that all stories
//! share in `shared.yaml`), what the targets have (`observed.yaml`), and the plan with its decisions (`plan.txt`).
//! `UPDATE=1` writes what is planned now.

mod checks;
mod convergence;
mod gate;
mod model;
mod read;
pub(crate) mod story;
mod told;

use crate::in_repository;
use story::Story;

#[test]
fn every_story_has_the_plan_that_is_written_beside_it() {
    let folder = in_repository("tests/golden/plans");
    let mut stories: Vec<_> = std::fs::read_dir(&folder)
        .expect("the stories are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    stories.sort();
    let mut wrong = Vec::new();
    for path in &stories {
        let (found, expected) = (told::plan(&Story::load(path)), path.join("plan.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &found).expect("the golden file can be written");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(stories.len() >= 20, "only {} stories were found in {}", stories.len(), folder.display());
    assert!(wrong.is_empty(), "this is planned now (UPDATE=1 accepts it):\n{}", wrong.join("\n"));
}

#[test]
fn no_order_of_documents_and_accounts_makes_another_plan() {
    for path in std::fs::read_dir(in_repository("tests/golden/plans")).expect("the stories are there") {
        let path = path.expect("an entry").path();
        if path.is_dir() {
            let story = Story::load(&path);
            assert_eq!(told::plan(&story), told::plan(&story.reversed()), "{}", path.display());
        }
    }
}
