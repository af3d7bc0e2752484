//! The task that looks after a running process: how it ends, what it leaves behind, and its next start.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::super::group::{Target, end, ended};
use super::super::procfs::ProcessId;
use super::super::{Ending, log};
use super::{Process, locked};

/// Looks after a process: notes how it ends, ends what it leaves behind, and starts it again.
pub(super) async fn supervise(process: Arc<Process>, mut id: ProcessId) {
    loop {
        let ending = look_after(&process, id).await;
        let ran = id.age(process.clock.uptime());
        let mut pause = process.note_crash(ending, ran);
        id = loop {
            // Children that live on would hold its port and its files.
            let left = end_left_behind(&process, id).await;
            sleep(pause).await;
            match left.and_then(|()| process.spawn()) {
                Ok(next) => break next,
                Err(problem) => {
                    pause = process.note_crash(Ending::NotStarted(problem), Duration::ZERO);
                }
            }
        };
    }
}

/// Waits for the end of the process, and keeps its output small meanwhile.
async fn look_after(process: &Process, id: ProcessId) -> Ending {
    let mut ended = pin!(ended(id));
    loop {
        tokio::select! {
            ending = &mut ended => return ending,
            () = sleep(process.options.log_interval) => {
                // The next look tries again; an app is not ended because of its output.
                let _ = log::trim(&process.log_path, process.options.log_bytes_max);
            }
        }
    }
}

async fn end_left_behind(process: &Process, leader: ProcessId) -> Result<(), String> {
    let (name, grace) = match &locked(&process.state).record {
        Some(record) => (record.instance.clone(), record.launch.spec.stop_grace),
        None => return Ok(()),
    };
    let target = Target::Instance {
        name: &name,
        leader: Some(leader),
    };
    end(&target, grace).await
}
