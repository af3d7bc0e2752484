//! A UPS behind Network UPS Tools: `upsd` on this machine is asked for two variables (RFC 9271 §4.2.4,
//! §5.1).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Supply;

/// A UPS that `upsd` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ups {
    /// Its name.
    pub name: String,
    /// The port of `upsd` on this machine.
    pub port: u16,
}

/// `upsd` listens there (RFC 9271 §3).
const PORT: u16 = 3_493;
/// Two small answers of a program on this machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// All answers together, bytes.
const ANSWERS_BYTES_MAX: u64 = 4_096;

impl Ups {
    /// Reads `NAME@localhost` or `NAME@localhost:PORT`: the helper talks to no other machine.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, host) = text.split_once('@')?;
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (host, PORT),
        };
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let is_here = ["localhost", "127.0.0.1"].contains(&host);
        (is_name && is_here && port != 0).then(|| Self {
            name: name.to_owned(),
            port,
        })
    }

    /// What it says now; none when it is not there or says nothing of use.
    pub async fn read(&self) -> Option<Supply> {
        let asked = timeout(PATIENCE, self.ask()).await;
        match asked {
            Ok(Ok(supply)) => supply,
            Ok(Err(error)) => {
                tracing::debug!(ups = %self.name, %error, "upsd does not answer");
                None
            }
            Err(_) => None,
        }
    }

    async fn ask(&self) -> io::Result<Option<Supply>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = &self.name;
        let asked = format!("GET VAR {name} ups.status\nGET VAR {name} battery.charge\nLOGOUT\n");
        stream.write_all(asked.as_bytes()).await?;
        let mut lines = BufReader::new(stream.take(ANSWERS_BYTES_MAX)).lines();
        let mut answers = Vec::new();
        while answers.len() < 2
            && let Some(line) = lines.next_line().await?
        {
            answers.push(line);
        }
        let [status, charge] = answers.as_slice() else {
            return Ok(None);
        };
        Ok(supply(status, charge))
    }
}

/// `VAR myups ups.status "OB DISCHRG LB"` and `VAR myups battery.charge "31"`.
fn supply(status: &str, charge: &str) -> Option<Supply> {
    let words: Vec<&str> = quoted(status)?.split(' ').collect();
    let charge = quoted(charge).and_then(|text| text.split('.').next()?.parse::<u8>().ok());
    Some(Supply {
        on_battery: words.contains(&"OB"),
        charge_percent: charge.map(|charge| charge.min(100)),
        low: words.contains(&"LB"),
    })
}

fn quoted(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("VAR ")?;
    rest.split_once('"')?.1.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked() {
        let ups = |name: &str, port| {
            Some(Ups {
                name: name.to_owned(),
                port,
            })
        };
        assert_eq!(Ups::parse("ups@localhost"), ups("ups", 3_493));
        assert_eq!(Ups::parse("till-1@127.0.0.1:4000"), ups("till-1", 4_000));
        for wrong in [
            "ups",
            "@localhost",
            "ups@example.org",
            "a b@localhost",
            "ups@localhost:0",
            "ups@localhost:x",
        ] {
            assert_eq!(Ups::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn answers_as_upsd_gives_them() {
        let read = |status: &str, charge: &str| supply(status, charge);
        let charge = "VAR ups battery.charge \"31.0\"";
        let found = read("VAR ups ups.status \"OB DISCHRG LB\"", charge).unwrap();
        assert_eq!(
            (found.on_battery, found.charge_percent, found.low),
            (true, Some(31), true)
        );
        let found = read("VAR ups ups.status \"OL CHRG\"", "ERR VAR-NOT-SUPPORTED").unwrap();
        assert_eq!(
            (found.on_battery, found.charge_percent, found.low),
            (false, None, false)
        );
        assert_eq!(read("ERR DATA-STALE", charge), None);
        assert_eq!(read("VAR ups ups.status \"", charge), None);
    }
}
