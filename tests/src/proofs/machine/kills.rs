//! Updates, one after the other, while processes of the agent, the app and the whole machine are killed
//! at random. Which and when comes from the seed; when that is in the life of an update does not.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::site;
use crate::machine::Machine;
use crate::notebook::Release;
use crate::seed::Rng;

/// Kills in one update. A release that is started a sixth time before it has soaked is taken back,
/// because it may be what brings the machine down: so many kills cannot look like that.
const UPDATING_MAX: u64 = 4;
/// Kills while the new release runs already, and old slots are removed.
const RESTING_MAX: u64 = 4;
/// Between two kills in an update, milliseconds.
const UPDATING_MS_MAX: u64 = 1_500;
/// Between two kills afterwards.
const RESTING_MS_MAX: u64 = 500;

/// What came of it.
#[derive(Debug, Default)]
pub struct Loops {
    /// Kills that hit something.
    pub kills: u64,
    /// Updates that were assigned.
    pub updates: u64,
    /// Updates after which the new version was committed, and answered.
    pub reached: u64,
    /// Updates that the node marked failed.
    pub failed: u64,
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// A process of the agent.
    Agent,
    /// The app.
    App,
    /// Everything.
    Machine,
}

/// The kinds of events that say that an update failed.
pub const FAILED: [&str; 3] = ["rolled_back", "refused", "needs_hands"];

/// Updates until so many kills were made. The people of the site write one note after each.
pub fn run(machine: &mut Machine<'_>, seed: u64, kills: u64) -> Result<Loops> {
    let mut rng = Rng::stream(seed, "machine");
    let mut loops = Loops::default();
    let agents = machine.ok(
        "systemctl list-unit-files --no-legend 'sanaga-agent*.service' | cut --delimiter=' ' --fields=1",
    )?;
    let agents: Vec<String> = agents.stdout.lines().map(str::to_owned).collect();
    ensure!(!agents.is_empty(), "no unit of the agent");
    while loops.kills < kills {
        loops.updates += 1;
        let version = format!("1.1.{}", loops.updates);
        site::release(machine, &Release::new(&version).start_period_s(60))?;
        let mut victims = Vec::new();
        for _ in 0..UPDATING_MAX {
            pause(&mut rng, UPDATING_MS_MAX);
            victims.extend(hit(machine, &mut rng, &agents)?);
        }
        site::wait_for(machine, &version, "committed")?;
        site::answers(machine, &version)?;
        site::note(machine, loops.updates)?;
        for _ in 0..RESTING_MAX {
            victims.extend(hit(machine, &mut rng, &agents)?);
            pause(&mut rng, RESTING_MS_MAX);
        }
        site::answers(machine, &version)?;
        site::wait_for(machine, &version, "committed")?;
        loops.reached += 1;
        loops.kills += victims.len() as u64;
        eprintln!(
            "{version} runs after {victims:?}: {} kills in all",
            loops.kills
        );
    }
    loops.failed = site::events(machine, &FAILED)?;
    Ok(loops)
}

fn pause(rng: &mut Rng, most_ms: u64) {
    std::thread::sleep(Duration::from_millis(rng.below(most_ms)));
}

/// Kills somebody; none if nobody was there just then.
fn hit(machine: &mut Machine<'_>, rng: &mut Rng, agents: &[String]) -> Result<Option<Victim>> {
    let victim = match rng.below(100) {
        0..35 => Victim::Agent,
        35..70 => Victim::App,
        _ => Victim::Machine,
    };
    let (unit, boots_fully) = (rng.pick(agents), rng.below(2) == 0);
    let killed = match (victim, unit) {
        (Victim::Agent, Some(unit)) => {
            let script = format!(
                "pid=$(systemctl show --property=MainPID --value {unit}) && [ \"$pid\" -gt 0 ] && kill -KILL \"$pid\""
            );
            machine.sh(&script)?.run()?.code() == Some(0)
        }
        (Victim::App, _) => match site::process(machine)? {
            Some(pid) => machine.sh(&format!("kill -KILL {pid}"))?.run()?.code() == Some(0),
            None => false,
        },
        (Victim::Machine, _) => {
            machine.power_off()?;
            if boots_fully {
                machine.boot()?;
            } else {
                // The next kill comes while it boots.
                machine.switch_on()?;
            }
            true
        }
        (Victim::Agent, None) => false,
    };
    Ok(killed.then_some(victim))
}
