//! The repository that is measured: made up, and always the same for the same number of people.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Branches of the two commits: the second moves one person to another department.
pub const BEFORE: &str = "main";
pub const AFTER: &str = "moved";

const TARGETS: usize = 4;
const ROLES: usize = 300;
const DEPARTMENTS: usize = 40;
/// Files in one folder, as people keep them.
const FOLDER: usize = 1000;

/// Makes a bare repository of `people` people and packs it as `git repack -adf` does.
pub fn make(folder: &Path, people: usize) -> io::Result<()> {
    let folder_text = folder.to_string_lossy();
    git(&["init", "--quiet", "--bare", "--initial-branch", BEFORE, &folder_text])?;
    let mut import = Command::new("git")
        .args(["-C", &folder_text, "fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut out = BufWriter::new(import.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?);
    head(&mut out, BEFORE, 1_700_000_000)?;
    for n in 0..TARGETS {
        file(&mut out, &format!("targets/t-{n}.yaml"), &target(n))?;
    }
    for n in 0..ROLES {
        file(&mut out, &format!("roles/r-{n}.yaml"), &role(n))?;
    }
    for n in 0..people {
        file(&mut out, &person_path(n), &person(n, n % DEPARTMENTS))?;
    }
    for n in 0..people / 10 {
        file(&mut out, &format!("services/{}/s-{n:07}.yaml", n / FOLDER), &service(n, people))?;
    }
    head(&mut out, AFTER, 1_700_000_060)?;
    writeln!(out, "from refs/heads/{BEFORE}")?;
    let moved = people / 2;
    file(&mut out, &person_path(moved), &person(moved, (moved + 1) % DEPARTMENTS))?;
    out.flush()?;
    drop(out);
    if !import.wait()?.success() {
        return Err(io::Error::other("git fast-import failed"));
    }
    git(&["-C", &folder_text, "repack", "-adfq"])
}

fn git(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new("git").args(arguments).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("git {arguments:?} failed"))) }
}

fn head(out: &mut impl Write, branch: &str, at: u64) -> io::Result<()> {
    writeln!(out, "commit refs/heads/{branch}\ncommitter bench <bench@example.com> {at} +0000\ndata 0")
}

fn file(out: &mut impl Write, path: &str, text: &str) -> io::Result<()> {
    writeln!(out, "M 100644 inline {path}\ndata {}\n{text}", text.len())
}

fn person_path(n: usize) -> String {
    format!("people/{}/p-{n:07}.yaml", n / FOLDER)
}

fn target(n: usize) -> String {
    format!(
        "kind: Target\nid: t-{n}\nconnector: memory\nconfig: {{name: t-{n}}}\naccounts:\n  main:\n    \
         username: person.username\n    display_name: person.name.display\n    email: person.email\n\
         owners: [p-0000000]\nrisk: low\nauthority: {{accounts: full, team: full}}\n\
         leaver: {{disable: at-end, sessions: keep, owned: keep, delete: {{after: 90d}}}}\n"
    )
}

/// One in 75 is for everybody on a target; the others are by department, title, place and clearance.
fn role(n: usize) -> String {
    let (department, other) = (n % DEPARTMENTS, (n + 1) % DEPARTMENTS);
    let condition = match n % 6 {
        _ if n < TARGETS => "person.employment in ['employee', 'contractor']".to_owned(),
        0 => format!("person.department == 'd-{department}'"),
        1 => format!("person.department == 'd-{department}' && person.employment == 'employee'"),
        2 => {
            format!("person.title == 't-{}' && person.department in ['d-{department}', 'd-{other}']", n % 30)
        }
        3 => format!("person.location == 'l-{}'", n % 20),
        4 => format!("person.employment == 'contractor' && person.location.startsWith('l-{}')", n % 20),
        _ => format!("person.attributes.clearance == 'c-{}'", n % 5),
    };
    format!(
        "kind: Role\nid: r-{n}\ndescription: Made up, number {n}.\nowners: [p-0000000]\nrisk: low\nassign: \
         \"{condition}\"\ngrants:\n  - {{target: t-{}, team: g-{}}}\n",
        n % TARGETS,
        n % 100
    )
}

fn person(n: usize, department: usize) -> String {
    let employment = if n.is_multiple_of(7) { "contractor" } else { "employee" };
    let mut text = format!(
        "kind: Person\nid: p-{n:07}\nname: {{given: Given{}, family: Family{n}}}\nusername: user{n}\nemail: \
         user{n}@example.com\ntimezone: Europe/Berlin\nemployment: {employment}\ndepartment: d-{department}\n",
        n % 500
    );
    if n > 0 {
        text += &format!("manager: p-{:07}\n", n / 10);
    }
    text += &format!(
        "start: 2020-01-{:02}\ntitle: t-{}\nlocation: l-{}\nemployee_number: e-{n}\ncost_center: \
         cc-{department}\nattributes: {{clearance: c-{}}}\n",
        n % 28 + 1,
        n / 40 % 30,
        n / 97 % 20,
        n / 13 % 5
    );
    // A tenth holds a role by request, half of those until a day.
    match n % 20 {
        3 => text += &format!("roles:\n  - role: r-{}\n    reason: asked for\n", n % ROLES),
        7 => text += &format!("roles:\n  - role: r-{}\n    until: 2099-12-31\n", n % ROLES),
        _ => {}
    }
    text
}

fn service(n: usize, people: usize) -> String {
    let roles: Vec<String> =
        (0..TARGETS).map(|target| format!("{{role: r-{}}}", (n % 70) * 4 + target)).collect();
    format!(
        "kind: Service\nid: s-{n:07}\nname: Service {n}\nowners: [p-{:07}]\npurpose: Made up, number \
         {n}.\nroles: [{}]\n",
        n % people,
        roles.join(", ")
    )
}
