//! provost-core
