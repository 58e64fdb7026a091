//! How strings are compared that ignore case: one function for filters, sorting, uniqueness and the index, because they
//! must agree.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// The form of `text` in which two spellings of the same name are equal: compatibility composition (NFKC), lower case.
/// Composition is done again after lowering, because lowering may leave sequences that compose.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else {
        let composed: String = text.nfkc().collect();
        Cow::Owned(composed.to_lowercase().nfkc().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn case_and_unicode_form_do_not_count() {
        assert_eq!(fold("ADA"), "ada");
        assert_eq!(fold("Zo\u{eb}"), fold("zoe\u{308}"));
        assert_eq!(fold("\u{ff21}da"), "ada");
        assert_eq!(fold("\u{212b}"), fold("a\u{30a}"));
        assert_ne!(fold("zoe"), fold("zo\u{eb}"));
    }
}
