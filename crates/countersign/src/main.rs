#[cfg_attr(not(test), expect(dead_code, reason = "no command or gate opens a repository yet"))]
mod git;

fn main() {}
