//! Patterns of names: `*` stands for any text, also none. Nothing else is special.

use provost_sdk::Comparison;

/// Whether a name matches a pattern, compared as the target compares names.
pub fn matches(pattern: &str, name: &str, comparison: Comparison) -> bool {
    if !pattern.contains('*') {
        return comparison.same(pattern, name);
    }
    let (pattern, name) = (comparison.fold(pattern), comparison.fold(name));
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_case_counts_as_the_target_says() {
        for (pattern, name, expected) in [
            ("eng*", "eng", true),
            ("eng*", "engine", true),
            ("eng*", "teng", false),
            ("*-admin", "db-admin", true),
            ("*-admin", "db-admins", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("eng", "eng2", false),
            ("ENG*", "engine", false),
        ] {
            assert_eq!(matches(pattern, name, Comparison::Exact), expected, "{pattern} {name}");
        }
        assert!(matches("ENG*", "engine", Comparison::IgnoreCase));
        assert!(matches("Alice", "aLICE", Comparison::IgnoreCase));
    }
}
