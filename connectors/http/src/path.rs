//! Text from a target or a document as a part of a URL. All of it is hostile.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use provost_sdk::{Error, ErrorKind, Result};

/// Everything but the unreserved characters of RFC 3986, section 2.3. A space becomes `%20`, never `+`: the plus is
/// a convention of forms that not every server reads in a query.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One path segment, percent-encoded.
///
/// An empty text and the dot segments are refused, in this form too: `DELETE /Users/..` would be a delete of something
/// else, and no encoding saves it, because URL parsers take `%2e%2e` for `..` (WHATWG URL, path state).
pub fn segment(text: &str) -> Result<String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            format!("The id {text:?} cannot be addressed in a URL: it would name another resource."),
        ));
    }
    Ok(utf8_percent_encode(text, RESERVED).to_string())
}

/// One name or value of a query, percent-encoded.
pub fn query_value(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
