//! A model of disk and power.
