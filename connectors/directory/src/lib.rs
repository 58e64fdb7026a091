//! provost-directory
