//! Which TCP connections of this machine touch a port (`/proc/net/tcp`, proc(5)).

use std::collections::BTreeSet;
use std::fs;

/// One end and the other, as the kernel writes them, and the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    local: String,
    remote: String,
    state: String,
}

/// A connection that is there for both sides.
const ESTABLISHED: &str = "01";
/// A socket that only waits for connections.
const LISTEN: &str = "0A";

/// Whether somebody is connected to this port of this machine.
pub(super) fn is_connected(port: u16) -> bool {
    all().iter().any(|connection| {
        connection.state == ESTABLISHED && port_of(&connection.local) == Some(port)
    })
}

/// Every connection, also one that has just ended, with one end at this port.
#[must_use]
pub fn touching(port: u16) -> BTreeSet<(String, String)> {
    all()
        .into_iter()
        .filter(|connection| connection.state != LISTEN)
        .filter(|connection| {
            let ends = [&connection.local, &connection.remote];
            ends.into_iter().any(|end| port_of(end) == Some(port))
        })
        .map(|connection| (connection.local, connection.remote))
        .collect()
}

fn all() -> Vec<Connection> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        // A kernel without IPv6 has no second file.
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| parse(&text))
        .collect()
}

fn parse(text: &str) -> Vec<Connection> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1).map(str::to_owned);
            Some(Connection {
                local: fields.next()?,
                remote: fields.next()?,
                state: fields.next()?,
            })
        })
        .collect()
}

/// The port stands in hexadecimal behind the last colon.
fn port_of(end: &str) -> Option<u16> {
    u16::from_str_radix(end.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn reads_the_lines_of_the_kernel() {
        let text = "  sl  local_address rem_address   st tx_queue\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n   \
            1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000\n   bad\n";
        let found = parse(text);
        assert_eq!(found.len(), 2);
        assert_eq!(port_of(&found[1].local), Some(8080));
        assert_eq!(found[1].state, ESTABLISHED);
    }

    #[test]
    fn a_listener_alone_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_connected(port) && touching(port).is_empty());
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(is_connected(port));
        assert!(!touching(port).is_empty());
        drop((client, accepted));
    }
}
