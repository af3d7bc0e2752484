//! From a project's folder to what is published.

pub mod project;
