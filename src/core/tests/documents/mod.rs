//! Documents: reading, mistakes, the example organisation, and the page that describes the format.

mod example;
mod format;
mod mistakes;
mod reading;
mod schemas;
