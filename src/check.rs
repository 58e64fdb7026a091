//! Judging a whole commit by itself, as `check` does before anything counts.

use std::collections::BTreeSet;

use provost_core::Sym;
use provost_core::access::Zones;
use provost_core::document::Problem;
use provost_core::organisation::check_context;
use provost_core::snapshot::{Change, Context, check};

use crate::registry;

/// Everything that is wrong with these documents, by file and line. `read` gives a file's text, to find lines; `used`
/// has the ids that belonged to somebody before.
pub fn problems(
    changes: Vec<Change>,
    used: &BTreeSet<Sym>,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Vec<Problem> {
    let (catalog, zones) = (registry::catalog(), Zones::bundled());
    let spent = |id| used.contains(&id);
    let context = Context { spent: &spent, ..check_context(&catalog, &zones) };
    let files = changes.into_iter().filter_map(|change| Some((change.path, change.file?.parsed)));
    check(files, &|path| read(path.as_str()), &context)
}
