//! `sanaga node show --watch`: an update as it happens, from what the node says and proves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, NodeName};

use super::format;
use super::session::{Session, now_s};
use super::ui::Ui;
use crate::ops::{AppView, NodeShow, NodeView, ReceiptView};

/// How often the store is asked.
const PAUSE: Duration = Duration::from_millis(500);
/// Receipts that one look asks for.
const RECEIPTS: u64 = 64;
/// The width of the column with what happens.
const WORD_WIDTH: usize = 9;

/// Follows a node until its update has ended.
pub async fn run(ui: &Ui, session: &Session, node: NodeName) -> Result<(), Failure> {
    let mut watch = Watch::default();
    loop {
        let request = NodeShow {
            node: node.clone(),
            receipts: RECEIPTS,
        };
        let view = session.call(request).await?;
        watch.look(ui, &view)?;
        if let Some(end) = watch.end(&view) {
            let pack_bytes = end
                .receipt
                .app
                .as_ref()
                .and_then(|app| watch.packs.get(app));
            return finish(ui, &view, &end, pack_bytes.copied());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was said so far.
#[derive(Default)]
struct Watch {
    /// Chain and number of the last receipt that was printed.
    last: Option<(u64, u64)>,
    /// What was last said of each app: phase and bytes.
    said: Vec<(String, Option<u64>)>,
    /// When bytes were last seen to move, and how many there were.
    moved: Option<(Instant, u64)>,
    /// The pack that each app was going to fetch, bytes, as seen before it was there.
    packs: BTreeMap<AppName, u64>,
}

/// How an update ended.
struct End {
    receipt: ReceiptView,
    rolled_back: bool,
}

impl Watch {
    fn look(&mut self, ui: &Ui, view: &NodeView) -> Result<(), Failure> {
        for app in &view.apps {
            if let Some(bytes) = app.download_bytes.filter(|bytes| *bytes > 0) {
                self.packs.insert(app.app.clone(), bytes);
            }
        }
        for receipt in view.receipts.iter().rev() {
            let place = (receipt.epoch, receipt.number);
            if self.last.is_none_or(|last| place > last) && concerns(receipt, view) {
                ui.json(receipt, None)?;
                ui.data(&receipt_line(ui, receipt, view));
            }
            self.last = self.last.max(Some(place));
        }
        let said = view
            .apps
            .iter()
            .map(|app| (app.phase.clone().unwrap_or_default(), app.fetched_bytes));
        let said: Vec<_> = said.collect();
        if said != self.said {
            for app in &view.apps {
                self.phase(ui, app);
            }
            self.said = said;
        }
        Ok(())
    }

    fn phase(&mut self, ui: &Ui, app: &AppView) {
        let Some(phase) = &app.phase else { return };
        let known = |id: &str| ui.say(id, &[]);
        let text = match (phase.as_str(), app.fetched_bytes, app.download_bytes) {
            ("fetching", Some(done), Some(all)) => self.fetching(ui, done, all),
            ("probation", _, _) => ui.say(
                "watch-probation",
                &[
                    ("seconds", &format::duration(app.soak_s.unwrap_or(60))),
                    ("probes", &app.probes.to_string()),
                ],
            ),
            ("fetching", _, _) => known("watch-fetching"),
            // The end of an update is said by its receipt.
            _ => return,
        };
        ui.data(&line(
            now_s(),
            &ui.say(&format!("phase-{phase}"), &[]),
            &text,
        ));
    }

    fn fetching(&mut self, ui: &Ui, done: u64, all: u64) -> String {
        let now = Instant::now();
        let mut text = ui.say(
            "watch-bytes",
            &[("done", &ui.bytes(done)), ("all", &ui.bytes(all))],
        );
        if let Some((since, before)) = self.moved {
            let seconds = (now - since).as_secs_f64();
            let rate = (done.saturating_sub(before) as f64 / seconds.max(0.1)) as u64;
            if let Some(left) = all.saturating_sub(done).checked_div(rate) {
                let left = ui.say("time-left", &[("time", &format::duration(left))]);
                text.push_str(&format!("   {}/s   {left}", ui.bytes(rate)));
            }
        }
        self.moved = Some((now, done));
        text
    }

    /// The receipt that ends the update which the node's assignment asks for.
    fn end(&self, view: &NodeView) -> Option<End> {
        let app = view.apps.iter().find(|app| app.assigned.is_some())?;
        let receipt = view.receipts.iter().find(|receipt| {
            let ends = ["committed", "rolled_back", "refused"].contains(&receipt.event.as_str());
            ends && concerns(receipt, view)
        })?;
        let matching = view
            .apps
            .iter()
            .filter(|found| found.assigned.is_some())
            .all(|found| {
                found.app != app.app || found.runs == found.assigned || receipt.event != "committed"
            });
        matching.then(|| End {
            receipt: receipt.clone(),
            rolled_back: receipt.event != "committed",
        })
    }
}

/// Whether a receipt is about what the node's assignment asks for now.
fn concerns(receipt: &ReceiptView, view: &NodeView) -> bool {
    view.apps.iter().any(|app| {
        Some(&app.app) == receipt.app.as_ref()
            && app.assigned == receipt.version
            && receipt
                .generation
                .is_none_or(|generation| generation >= view.generation)
    })
}

fn finish(ui: &Ui, view: &NodeView, end: &End, pack_bytes: Option<u64>) -> Result<(), Failure> {
    let receipt = &end.receipt;
    let app = receipt
        .app
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let version = receipt
        .version
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    if end.rolled_back {
        let runs = view
            .apps
            .iter()
            .find(|found| Some(&found.app) == receipt.app.as_ref())
            .and_then(|found| found.runs.as_ref());
        return Err(Failure::new(code::ROLLED_BACK)
            .arg("app", app)
            .arg("from", version)
            .arg(
                "to",
                runs.map_or_else(|| "–".to_owned(), ToString::to_string),
            )
            .arg("cause", receipt.detail.as_deref().unwrap_or("–")));
    }
    let release = format!("{app}@{version}");
    let mut text = ui.say(
        "watch-runs",
        &[("release", &release), ("node", view.node.as_str())],
    );
    let fetched = fetched_for(view, receipt);
    if let Some((fetched, received)) =
        fetched.and_then(|fetched| Some((fetched, fetched.received_bytes?)))
    {
        let pack_bytes = pack_bytes.or(fetched.pack_bytes).unwrap_or(received);
        // In megabytes, so that the two figures can be compared at a glance.
        let twice = received.saturating_sub(pack_bytes) as f64 / 1e6;
        let words = [
            ("bytes", ui.bytes(received)),
            ("twice", format!("{twice:.2}")),
        ];
        let words: Vec<(&str, &str)> = words
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        text.push(' ');
        text.push_str(&ui.say("watch-received", &words));
    }
    ui.data(&text);
    Ok(())
}

/// The receipt that says what fetching cost: that of the staging before this end.
fn fetched_for<'a>(view: &'a NodeView, end: &ReceiptView) -> Option<&'a ReceiptView> {
    view.receipts
        .iter()
        .filter(|receipt| receipt.app == end.app && receipt.version == end.version)
        .filter(|receipt| (receipt.epoch, receipt.number) <= (end.epoch, end.number))
        .filter(|receipt| receipt.received_bytes.is_some())
        .max_by_key(|receipt| (receipt.epoch, receipt.number))
}

/// A receipt as one line: `09:55:31  staged     verified 412 files, root 7be1 02aa`.
pub fn receipt_line(ui: &Ui, receipt: &ReceiptView, view: &NodeView) -> String {
    let root = receipt
        .root
        .as_ref()
        .map(format::digest_start)
        .unwrap_or_default();
    let number = receipt.number.to_string();
    let detail = receipt.detail.clone().unwrap_or_default();
    let text = match receipt.event.as_str() {
        "committed" => ui.say(
            "watch-committed",
            &[("number", &number), ("node", view.node.as_str())],
        ),
        "staged" if detail.is_empty() => ui.say("watch-staged", &[("root", &root)]),
        _ if detail.is_empty() => match receipt.code {
            Some(code) => format!("SNG-{code:04}"),
            None => ui.say("watch-receipt", &[("number", &number)]),
        },
        _ => detail,
    };
    line(
        receipt.at_s,
        &ui.say(&format!("event-{}", receipt.event), &[]),
        &text,
    )
}

fn line(at_s: u64, word: &str, text: &str) -> String {
    let pad = WORD_WIDTH.saturating_sub(word.chars().count());
    format!("{}  {word}{}  {text}", format::clock(at_s), " ".repeat(pad))
}
