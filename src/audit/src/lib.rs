//! provost-audit
