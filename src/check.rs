//! Judging a whole commit by itself, as `check` does before anything counts.

use provost_core::access::Zones;
use provost_core::document::Problem;
use provost_core::organisation::check_context;
use provost_core::snapshot::{Change, check};

use crate::registry;

/// Everything that is wrong with these documents, by file and line. `read` gives a file's text, to find lines.
pub fn problems(changes: Vec<Change>, read: impl Fn(&str) -> Option<Vec<u8>>) -> Vec<Problem> {
    let (catalog, zones) = (registry::catalog(), Zones::bundled());
    let files = changes.into_iter().filter_map(|change| Some((change.path, change.file?.parsed)));
    check(files, &|path| read(path.as_str()), &check_context(&catalog, &zones))
}
