//! The example's own tests.

use std::process::Command;

use crate::files::example;

#[test]
fn the_tests_of_the_python_example_pass() {
    let output =
        Command::new("python3").args(["-B", "-m", "unittest"]).current_dir(example()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran "), "{said}");
}
