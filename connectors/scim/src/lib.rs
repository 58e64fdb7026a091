//! provost-scim
