//! Whether this is a time to activate, as far as power goes: not in the last minutes of a battery, and
//! not when the power usually goes off. An operator's `activate` does not ask.

pub mod nut;
pub mod outages;
pub mod supply;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

pub use outages::Outages;
pub use supply::Supply;

/// When nothing is activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caution {
    /// On battery, below this charge, percent; 0 is never.
    pub charge_percent_min: u8,
    /// When the power went off on so many of the last days at this time of day; 0 is never.
    pub outage_days_min: u64,
    /// How far ahead that is asked, seconds: an activation and its soak.
    pub ahead_s: u64,
}

/// Why nothing is activated now; none when it may be. `now_s` is the wall clock, where it is sure.
#[must_use]
pub fn reason_to_wait(
    caution: Caution,
    supply: Option<Supply>,
    outages: &Outages,
    now_s: Option<u64>,
) -> Option<Failure> {
    if let Some(supply) = supply.filter(|supply| supply.on_battery) {
        let charge = supply.charge_percent.unwrap_or(100);
        if caution.charge_percent_min > 0 && (supply.low || charge < caution.charge_percent_min) {
            return Some(
                Failure::new(code::POWER_LOW)
                    .arg("have", charge)
                    .arg("need", caution.charge_percent_min),
            );
        }
    }
    let days = outages.days_at(now_s?, caution.ahead_s);
    let is_likely = caution.outage_days_min > 0 && days >= caution.outage_days_min;
    is_likely.then(|| Failure::new(code::OUTAGE_LIKELY).arg("found", days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::failure::Coded as _;

    const CAUTION: Caution = Caution {
        charge_percent_min: 40,
        outage_days_min: 3,
        ahead_s: 1_800,
    };
    const DAY_S: u64 = 86_400;
    /// Some midnight.
    const MIDNIGHT_S: u64 = 20_500 * DAY_S;

    fn on_battery(charge_percent: Option<u8>, low: bool) -> Option<Supply> {
        Some(Supply {
            on_battery: true,
            charge_percent,
            low,
        })
    }

    fn code_of(failure: Option<Failure>) -> Option<u16> {
        failure.map(|failure| failure.code().number)
    }

    #[test]
    fn a_battery_must_be_charged() {
        let none = Outages::default();
        let asked = |supply| code_of(reason_to_wait(CAUTION, supply, &none, None));
        let low = Some(code::POWER_LOW.number);
        assert_eq!(asked(on_battery(Some(39), false)), low);
        assert_eq!(asked(on_battery(Some(40), false)), None);
        assert_eq!(asked(on_battery(None, true)), low);
        assert_eq!(asked(on_battery(None, false)), None);
        assert_eq!(asked(None), None);
        let mains = Supply {
            on_battery: false,
            charge_percent: Some(3),
            low: true,
        };
        assert_eq!(asked(Some(mains)), None);
        let careless = Caution {
            charge_percent_min: 0,
            ..CAUTION
        };
        let supply = on_battery(Some(1), true);
        assert!(reason_to_wait(careless, supply, &none, None).is_none());
    }

    #[test]
    fn the_hour_of_outages_is_left_out() {
        let mut outages = Outages::default();
        for day in 1..=3 {
            outages.note(MIDNIGHT_S - day * DAY_S + 18 * 3_600);
        }
        let at = |seconds| {
            code_of(reason_to_wait(
                CAUTION,
                None,
                &outages,
                Some(MIDNIGHT_S + seconds),
            ))
        };
        let likely = Some(code::OUTAGE_LIKELY.number);
        assert_eq!(at(17 * 3_600 + 1_801), likely);
        assert_eq!(at(17 * 3_600), None);
        assert_eq!(at(18 * 3_600 + 1), None);
        // A clock that is not sure knows no time of day.
        assert!(reason_to_wait(CAUTION, None, &outages, None).is_none());
    }
}
