//! `provost schema`

use std::path::PathBuf;
use std::process::ExitCode;

use provost_core::document::{Kind, schema};

use super::{CliError, output};

/// Print the JSON Schema of a kind of document, for editors
///
/// Examples:
///   provost schema Person
///   provost schema --dir schemas     one file a kind
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Which kind: Person, Service, Role, Target, ... ; all of them where absent
    kind: Option<String>,
    /// Write one file a kind into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let kinds: Vec<Kind> = match &args.kind {
        None => Kind::ALL.to_vec(),
        Some(name) => {
            let found = Kind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name));
            let all = Kind::ALL.map(Kind::as_str).join(", ");
            vec![found.ok_or_else(|| {
                CliError::user(format!("There is no kind {name}.")).hint(format!("one of {all}"))
            })?]
        }
    };
    if let Some(dir) = &args.dir {
        let failed =
            |error| CliError::internal(format!("The schemas cannot be written to {}.", dir.display()), error);
        std::fs::create_dir_all(dir).map_err(failed)?;
        for kind in kinds {
            let path = dir.join(format!("{}.schema.json", kind.as_str().to_lowercase()));
            std::fs::write(path, format!("{:#}\n", schema(kind))).map_err(failed)?;
        }
    } else if let [kind] = kinds[..] {
        output::json(&schema(kind))?;
    } else {
        let all: serde_json::Map<String, serde_json::Value> =
            kinds.into_iter().map(|kind| (kind.as_str().to_owned(), schema(kind).clone())).collect();
        output::json(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}
