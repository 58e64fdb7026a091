//! What a status code means in the words of the contract.

use provost_sdk::ErrorKind;

/// The kind of error that a status code stands for (RFC 9110, section 15), where the API says nothing better.
/// A success that nobody can use is an invalid response.
pub fn kind(status: u16) -> ErrorKind {
    match status {
        400 | 406 | 411 | 413 | 414 | 415 | 422 => ErrorKind::InvalidValue,
        401 => ErrorKind::InvalidCredential,
        402 | 403 | 451 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        405 | 501 => ErrorKind::Unsupported,
        408 => ErrorKind::Timeout,
        409 | 412 | 423 | 428 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited { until: None },
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::InvalidResponse,
    }
}

/// Whether a write that was answered like this may have happened all the same. A server may fail after it has
/// written, and a gateway (502, 504) may have passed the request on; 501 and 503 say that nothing was done.
pub fn in_doubt(status: u16) -> bool {
    matches!(status, 408 | 500..=599) && !matches!(status, 501 | 503)
}
