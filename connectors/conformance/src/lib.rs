//! provost-conformance
