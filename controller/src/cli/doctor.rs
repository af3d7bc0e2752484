//! `sanaga doctor`: what is not yet as it should be.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use super::format;
use super::session::Session;
use super::signing::own_keys;
use super::ui::Ui;
use crate::ops::{Doctor, Finding};

/// Looks and says.
pub async fn run(ui: &mut Ui, session: &Session) -> Result<(), Failure> {
    let found = session.call(Doctor {}).await?;
    ui.json(&found, Some("findings"))?;
    for finding in &found.findings {
        ui.data(&line(ui, finding));
    }
    let own = own_keys(session)?;
    if !own.is_empty() {
        let names: Vec<String> = own
            .iter()
            .map(|key| key.path.display().to_string())
            .collect();
        ui.tell("doctor-backup", &[("names", &names.join(", "))]);
    }
    if found.findings.is_empty() {
        ui.data(&ui.say("doctor-well", &[]));
        return Ok(());
    }
    let expired = found.findings.iter().find_map(|finding| match finding {
        Finding::Expired { role, expires_s } => Some((role, expires_s)),
        Finding::ExpiresSoon { .. }
        | Finding::WeakRole { .. }
        | Finding::SharedKey { .. }
        | Finding::AuditBroken { .. }
        | Finding::Waiting { .. } => None,
    });
    if let Some((role, expires_s)) = expired {
        return Err(Failure::new(code::EXPIRED)
            .arg("role", role)
            .arg("expired", format::day(*expires_s)));
    }
    if let Some(Finding::Waiting { role, .. }) = found.findings.iter().find(waits) {
        ui.next(&format!("sanaga sign {role}"));
    } else if found.findings.iter().any(|finding| weak(&finding)) {
        ui.next("sanaga key new NAME");
    }
    Ok(())
}

fn waits(finding: &&Finding) -> bool {
    matches!(finding, Finding::Waiting { .. })
}

fn weak(finding: &&Finding) -> bool {
    matches!(
        finding,
        Finding::WeakRole { .. } | Finding::SharedKey { .. }
    )
}

fn line(ui: &Ui, finding: &Finding) -> String {
    match finding {
        Finding::Expired { role, expires_s } => {
            let day = format::day(*expires_s);
            ui.say("doctor-expired", &[("role", role), ("day", &day)])
        }
        Finding::ExpiresSoon { role, expires_s } => {
            let day = format::day(*expires_s);
            ui.say("doctor-expires", &[("role", role), ("day", &day)])
        }
        Finding::WeakRole {
            role,
            keys,
            threshold,
            keys_wanted,
            threshold_wanted,
        } => ui.say(
            "doctor-weak",
            &[
                ("role", role),
                ("keys", &keys.to_string()),
                ("threshold", &threshold.to_string()),
                ("keys_wanted", &keys_wanted.to_string()),
                ("threshold_wanted", &threshold_wanted.to_string()),
            ],
        ),
        Finding::SharedKey { role } => ui.say("doctor-shared", &[("role", role)]),
        Finding::AuditBroken { number } => {
            ui.say("doctor-audit", &[("number", &number.to_string())])
        }
        Finding::Waiting { role, missing } => ui.say(
            "doctor-waiting",
            &[("role", role), ("missing", &missing.to_string())],
        ),
    }
}
