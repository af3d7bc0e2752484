//! Mains and batteries as the kernel shows them, in `/sys/class/power_supply` (Linux,
//! Documentation/ABI/testing/sysfs-class-power).

use std::fs;
use std::path::Path;

/// Where the kernel shows them.
pub const FOLDER: &str = "/sys/class/power_supply";

/// What feeds this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// It runs on a battery.
    pub on_battery: bool,
    /// The charge of the emptiest battery, percent, where one says it.
    pub charge_percent: Option<u8>,
    /// A supply says that it will soon be empty.
    pub low: bool,
}

impl Supply {
    /// Two views of one machine: each may know what the other does not.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            on_battery: self.on_battery || other.on_battery,
            charge_percent: match (self.charge_percent, other.charge_percent) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
            low: self.low || other.low,
        }
    }
}

/// Reads what the kernel shows; none where it shows nothing that feeds the machine.
#[must_use]
pub fn read(folder: &Path) -> Option<Supply> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| one(&entry.path()));
    let mut mains: Option<bool> = None;
    let mut battery: Option<Supply> = None;
    for part in found {
        match part {
            Part::Mains { online } => mains = Some(mains.unwrap_or_default() || online),
            Part::Battery(supply) => {
                battery = Some(battery.map_or(supply, |before| before.and(supply)));
            }
        }
    }
    match (mains, battery) {
        (None, None) => None,
        // Without a battery the machine would not run to tell that mains are off.
        (Some(_), None) => Some(Supply {
            on_battery: false,
            charge_percent: None,
            low: false,
        }),
        (None, Some(supply)) => Some(supply),
        (Some(online), Some(supply)) => Some(Supply {
            on_battery: !online,
            ..supply
        }),
    }
}

enum Part {
    Mains { online: bool },
    Battery(Supply),
}

fn one(path: &Path) -> Option<Part> {
    let text = |name: &str| {
        let text = fs::read_to_string(path.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    // The battery of a mouse feeds a mouse.
    if text("scope").is_some_and(|scope| scope == "Device") {
        return None;
    }
    match text("type")?.as_str() {
        "Mains" | "USB" => Some(Part::Mains {
            online: text("online")? != "0",
        }),
        "Battery" | "UPS" if text("present").is_none_or(|present| present != "0") => {
            let charge = text("capacity").and_then(|charge| charge.parse::<u8>().ok());
            let level = text("capacity_level");
            Some(Part::Battery(Supply {
                on_battery: text("status").is_some_and(|status| status == "Discharging"),
                charge_percent: charge.map(|charge| charge.min(100)),
                low: level.is_some_and(|level| level == "Critical" || level == "Low"),
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as the kernel shows it: one line for each supply, `name key=value …`.
    fn shown(lines: &[&str]) -> Option<Supply> {
        let folder = tempfile::tempdir().unwrap();
        for line in lines {
            let (name, rest) = line.split_once(' ').unwrap();
            fs::create_dir(folder.path().join(name)).unwrap();
            for (key, value) in rest.split(' ').filter_map(|word| word.split_once('=')) {
                fs::write(folder.path().join(name).join(key), format!("{value}\n")).unwrap();
            }
        }
        read(folder.path())
    }

    #[test]
    fn machines_as_there_are() {
        let supply = |on_battery, charge_percent, low| {
            Some(Supply {
                on_battery,
                charge_percent,
                low,
            })
        };
        let cases: &[(&[&str], Option<Supply>)] = &[
            (&[], None),
            (&["AC type=Mains online=1"], supply(false, None, false)),
            (
                &[
                    "AC type=Mains online=0",
                    "BAT0 type=Battery status=Discharging capacity=31",
                ],
                supply(true, Some(31), false),
            ),
            // Two batteries are emptied one after the other.
            (
                &[
                    "BAT0 type=Battery status=Unknown capacity=80",
                    "BAT1 type=Battery status=Discharging capacity=12 capacity_level=Low",
                ],
                supply(true, Some(12), true),
            ),
            (
                &[
                    "AC type=Mains online=1",
                    "BAT0 type=Battery status=Discharging capacity=99",
                ],
                supply(false, Some(99), false),
            ),
            (
                &["hid-1 type=Battery scope=Device status=Discharging capacity=5"],
                None,
            ),
            (&["BAT0 type=Battery present=0 status=Discharging"], None),
            (
                &["ups type=UPS status=Discharging"],
                supply(true, None, false),
            ),
            (
                &["BAT0 type=Battery status=Charging capacity=x"],
                supply(false, None, false),
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(shown(lines), *expected, "{lines:?}");
        }
    }
}
