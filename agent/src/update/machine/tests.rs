//! Transcripts of the machine.
