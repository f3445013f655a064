//! Lines of a message that are not its own words: code between fences, and the message of another commit that a revert or
//! a cherry-pick repeats. What they say of reviewers was said of something else.

use super::{Commit, Context, Line};

/// What stands above the repeated message.
const ORIGINALS: &[&str] = &[
    "original commit message:",
    "original message:",
    "original description:",
    "original commit description:",
    "original change description:",
    "original change's description:",
    "original cl description:",
    "original cl's description:",
    "original issue's description:",
    "original patchset description:",
];

/// Takes those lines out.
pub(crate) fn leave_out(context: &mut Context<'_>) {
    for commit in std::iter::once(&mut context.landed).chain(&mut context.brought) {
        fenced(commit);
        repeated(commit);
    }
}

fn is_fence(line: &Line<'_>) -> bool {
    line.text.starts_with("```") || line.text.starts_with("~~~")
}

fn fenced(commit: &mut Commit<'_>) {
    let fences = commit.lines.iter().filter(|line| is_fence(line)).count();
    // A fence without an end would hide the trailers.
    let closed = fences.saturating_sub(fences % 2);
    let mut seen: usize = 0;
    commit.lines.retain(|line| {
        let inside = !seen.is_multiple_of(2);
        let fence = seen < closed && is_fence(line);
        seen = seen.saturating_add(usize::from(fence));
        !inside && !fence
    });
}

/// What is indented or quoted is repeated as far as it is; else all that follows, for its end cannot be told.
fn repeated(commit: &mut Commit<'_>) {
    let is_set_off = |line: &Line<'_>| line.quoted || line.raw.starts_with(' ');
    let Some(at) = commit.lines.iter().position(|line| ORIGINALS.contains(&line.text.to_lowercase().as_str())) else {
        return;
    };
    let set_off = commit.lines.iter().skip(at.saturating_add(1)).take_while(|line| is_set_off(line)).count();
    if set_off == 0 {
        commit.lines.truncate(at);
    } else {
        commit.lines.drain(at..=at.saturating_add(set_off));
    }
}
