#![no_main]

#[path = "../../src/audit/tests/fuzzing/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| parsers::commit(data));
