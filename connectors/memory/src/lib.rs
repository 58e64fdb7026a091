//! provost-memory
