//! Progress of what takes minutes: on a terminal, and nowhere else.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts what there is to do.
pub(super) fn bar(things: &str) -> ProgressBar {
    styled(
        ProgressBar::new(0),
        &format!("{{bar:30}} {{human_pos}} of {{human_len}} {things}, {{eta}} left"),
    )
}

/// A count of what was done, where nobody knows how much there is.
pub(super) fn counter(things: &str) -> ProgressBar {
    styled(ProgressBar::new_spinner(), &format!("{{spinner}} {{human_pos}} {things}"))
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
}
