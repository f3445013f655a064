//! `docs/audit.md` has the tables of the code.

use std::path::Path;

use countersign_audit::{conventions, impact};

#[test]
fn the_documentation_has_every_convention_and_class() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit.md");
    let docs = std::fs::read_to_string(&path).unwrap();
    for (what, table) in [("conventions", conventions_table()), ("classes", impact_table())] {
        // Failing prints the table, to be pasted.
        assert!(docs.contains(&table), "docs/audit.md does not have the table of {what}:\n\n{table}");
    }
}

fn conventions_table() -> String {
    let rows =
        conventions::TABLE.iter().map(|row| format!("| `{}` | {} | {} |\n", row.name, row.proves, row.does_not_prove));
    format!("| convention | proves | does not prove |\n|---|---|---|\n{}", rows.collect::<String>())
}

fn impact_table() -> String {
    let globs = |globs: &[&str]| globs.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(" ");
    let rows = impact::TABLE.iter().map(|(class, list)| format!("| {class} | {} |\n", globs(list)));
    format!("| class | globs |\n|---|---|\n{}", rows.collect::<String>())
}
