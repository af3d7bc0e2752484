//! Long work, shown as it goes: one line that is drawn again on a terminal, one line every 10
//! seconds elsewhere. Bytes, rate and time left.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format;
use super::ui::Ui;

/// Off a terminal, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// One piece of long work.
pub struct Progress<'u> {
    ui: &'u Ui,
    label: String,
    bar: Option<ProgressBar>,
    start: Instant,
    line_at: Instant,
}

impl<'u> Progress<'u> {
    /// Begins to show it.
    #[must_use]
    pub fn new(ui: &'u Ui, label: String) -> Self {
        let bar = ui.draws().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            // The template is ours; without it the bar shows only its message.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        let start = Instant::now();
        Self {
            ui,
            label,
            bar,
            start,
            line_at: start + LINE_EVERY,
        }
    }

    /// Shows how far it is, in bytes; `extra` stands before the rate.
    pub fn set(&mut self, done: u64, all: u64, extra: &str) {
        let now = Instant::now();
        if self.bar.is_none() && now < self.line_at {
            return;
        }
        let seconds = (now - self.start).as_secs_f64();
        let mut line = format!(
            "{}   {} / {}{extra}",
            self.label,
            self.ui.bytes(done),
            self.ui.bytes(all)
        );
        if seconds >= 1.0 && done > 0 {
            let rate = (done as f64 / seconds) as u64;
            line.push_str(&format!("  {}/s", self.ui.bytes(rate)));
            if let Some(left) = all.saturating_sub(done).checked_div(rate) {
                let left = format::duration(left);
                line.push_str(&format!(
                    "  {}",
                    self.ui.say("time-left", &[("time", &left)])
                ));
            }
        }
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => {
                self.ui.note(&line);
                self.line_at = now + LINE_EVERY;
            }
        }
    }

    /// Whole seconds since it began, at least one.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.start.elapsed().as_secs().max(1)
    }

    /// Ends with a line that stays.
    pub fn finish(self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.ui.note(line);
    }

    /// Ends without a line.
    pub fn clear(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
