//! The server against real clients.
