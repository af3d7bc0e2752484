//! The user that a service runs as.

use std::fs;

/// Where users are. Users of a directory service are not found, on purpose: a service must start
/// without a network.
const PASSWD: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// The account to switch to; none when `name` is none or is who we are already.
///
/// # Errors
/// Why it cannot be, in English words.
pub(crate) fn account(name: Option<&str>) -> Result<Option<Account>, String> {
    let Some(name) = name else { return Ok(None) };
    let text = fs::read_to_string(PASSWD).map_err(|error| format!("{PASSWD}: {error}"))?;
    let found = find(&text, name).ok_or_else(|| format!("there is no user `{name}` here"))?;
    let own = rustix::process::geteuid();
    if found.uid == own.as_raw() {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(format!("only root can run it as user `{name}`"));
    }
    Ok(Some(found))
}

/// passwd(5): name, password, uid, gid, … separated by colons.
fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(Account {
            uid: fields.nth(1)?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_names() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nshop:x:998:997::/:/x\nbad:x:y:1\n";
        let shop = Account { uid: 998, gid: 997 };
        assert_eq!(find(passwd, "shop"), Some(shop));
        for absent in ["sho", "shops", "bad", "", "x"] {
            assert_eq!(find(passwd, absent), None, "{absent}");
        }
    }

    #[test]
    fn nobody_is_asked_for_or_is_not_here() {
        assert_eq!(account(None), Ok(None));
        assert!(account(Some("no-such-user-here")).is_err());
    }
}
