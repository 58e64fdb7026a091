//! provost-http
