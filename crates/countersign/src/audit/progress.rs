//! How far an audit is: on a terminal only, and gone when it is done.

use std::{fmt::Write, io::IsTerminal as _, time::Duration};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// Often enough to be alive, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(120);
const STYLE: &str = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} {rate}/s {eta} left";

#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Draws on standard error if that is a terminal; otherwise it does nothing at all.
    pub fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::new_spinner();
        bar.set_message("reading the graph");
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Never draws anything.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many changes are to be read.
    pub fn changes(&self, count: usize) {
        if !self.0.is_hidden() {
            self.0.set_length(u64::try_from(count).unwrap_or(u64::MAX));
            self.0.set_message("judging");
            // The template is a constant, so it is only wrong if the crate changes its language.
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                self.0.set_style(style.with_key("rate", rate));
            }
        }
    }

    pub fn one_more(&self) {
        self.0.inc(1);
    }

    /// From here on nothing is counted.
    pub fn rules(&self) {
        if !self.0.is_hidden() {
            self.0.set_style(ProgressStyle::default_spinner());
            self.0.set_message("putting the past to the rules");
        }
    }

    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// Whole changes a second; a history without end has no rate.
fn rate(state: &ProgressState, out: &mut dyn Write) {
    // A place on the terminal is all that this can fail to get.
    let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
}
