//! What was begun from a history, told to whoever has to check it: what was written, and what to look at first.

use countersign_audit::start::{SENIOR_FOR, SENIOR_LOOKED, SENIOR_MONTHS, WINDOW_DAYS};

use super::{BOLD, FAINT, INDENT, PLAIN, Page, counted, padded, percent, thousands};
use crate::audit::started::{Started, System};

/// Names of a list that stands in a sentence.
const NAMED: usize = 8;
const SYSTEM: usize = 30;

/// With colours; whoever prints it takes them out where nobody sees them. `home` is the home's path.
pub fn render(started: &Started, home: &str) -> String {
    let mut page = Page::default();
    page.line(BOLD, &super::fit(&format!("From {}, branch {}", started.repository, started.branch), super::COLUMNS));
    let (since, newest) = (&started.since, &started.newest);
    let window = match started.asked_since {
        true => format!("that landed from {since} to {newest}, as --since asks"),
        false => format!(
            "that landed in the {WINDOW_DAYS} days before the newest, {since} to {newest} (--since DATE asks for others)"
        ),
    };
    page.paragraph(&format!(
        "{} read. People, systems and numbers come from the {} {window}. All of it is a proposal.",
        counted(started.read, "landed change"),
        thousands(started.landed),
    ));
    systems(&mut page, started);
    rules(&mut page, started);
    first(&mut page, started, home);
    page.0
}

fn systems(page: &mut Page, started: &Started) {
    let by = if started.systems_by == "folders" { "top folders" } else { "the owners of CODEOWNERS" };
    page.heading(&format!("Systems by {by}, with the tier that their changes suggest"));
    row(page, true, "system", ["changes", "tier", "owners", "people", "of late"]);
    for system in &started.systems {
        let numbers = [
            thousands(system.landed),
            system.tier.to_string(),
            system.owners.len().to_string(),
            thousands(system.people),
            thousands(system.people_of_late),
        ];
        row(page, false, system.system.as_str(), numbers.each_ref().map(String::as_str));
    }
}

fn row(page: &mut Page, head: bool, label: &str, numbers: [&str; 5]) {
    let [changes, tier, owners, people, of_late] = numbers;
    let style = if head { FAINT } else { PLAIN };
    let label = padded(label, SYSTEM);
    page.line(style, &format!("{INDENT}{label}{changes:>9}{tier:>6}{owners:>8}{people:>8}{of_late:>9}"));
}

fn rules(page: &mut Page, started: &Started) {
    page.heading("Rules, and what they would have done to these changes");
    let whole = &started.replay;
    let label = padded("rule", SYSTEM);
    page.line(
        FAINT,
        &format!("{INDENT}{label}{:<9}{:>9}{:>8}{:>10}{:>18}", "mode", "stopped", "", "reverted", "approvals a week"),
    );
    for rule in &started.rules {
        page.line(
            PLAIN,
            &format!(
                "{INDENT}{}{:<9}{:>9}{:>8}{:>10}{:>18}",
                padded(rule.id.as_str(), SYSTEM),
                rule.mode.to_string(),
                thousands(rule.stopped),
                percent(rule.stopped, whole.judged),
                thousands(rule.stopped_reverted),
                format!("{:.1}", rule.extra_approvals_per_week)
            ),
        );
    }
    page.paragraph(&format!(
        "Of {}, {} later reverted. Git carries {:.1} approvals a week, and these would come on top. A rule in watch is \
         evaluated and told, and stops nothing. second-pair-of-eyes is enforced, since the engine asks for a second \
         person in production whatever the rules say; it binds where a gate is installed. tier-1-senior asks for {}; it \
         is mandatory as shipped, which no rule in watch can be, and waivable here.",
        counted(whole.judged, "change"),
        match whole.reverted {
            1 => "1 was".to_owned(),
            reverted => format!("{} were", thousands(reverted)),
        },
        whole.approvals_per_week,
        match started.tier_1_approvals {
            1 => "one approval, by a senior".to_owned(),
            approvals => format!("{approvals} approvals, one by a senior"),
        }
    ));
}

fn first(page: &mut Page, started: &Started, home: &str) {
    let people = &started.people;
    page.heading("Look at first");
    let without = people.without_keys.len() as u64;
    if without > 0 {
        page.paragraph(&format!(
            "Keys: {} of {} in the catalog have none ({}). They are known as authors and can approve nothing, and no \
             history has keys. Bring them in from the file that git uses (--allowed-signers FILE, when the home is \
             made), or add them to {home}/catalog/org.yaml and amend.",
            thousands(without),
            counted(people.people, "person"),
            named(people.without_keys.iter().map(ToString::to_string))
        ));
    }
    if !people.founders_not_in_history.is_empty() {
        page.paragraph(&format!(
            "Founders whom this history does not know by the mail that was given: {}. Whoever is there under another \
             mail is in the catalog twice: move it to the founder in {home}/catalog/org.yaml, and take out the other.",
            named(people.founders_not_in_history.iter().map(ToString::to_string))
        ));
    }
    let senior = match people.seniors.len() as u64 {
        0 => "nobody but the founders is proposed as senior".to_owned(),
        seniors => format!(
            "{} proposed as senior besides founders ({})",
            counted(seniors, "person"),
            named(people.seniors.iter().map(ToString::to_string))
        ),
    };
    page.paragraph(&format!(
        "Levels: {senior}. Senior is whom git names on {SENIOR_LOOKED} or more changes of {SENIOR_FOR} or more others in \
         {SENIOR_MONTHS} or more months. That is activity, not judgement: say yourself who is."
    ));
    let few: Vec<&System> = started.systems.iter().filter(|system| system.people_of_late <= 1).collect();
    if !few.is_empty() {
        page.paragraph(&format!(
            "One person or nobody of late: {}. No group above owns it with them; name a second owner.",
            named(few.iter().map(|system| system.system.to_string()))
        ));
    }
    if started.systems.iter().all(|system| system.lookers == 0) {
        page.paragraph(
            "Git names nobody who looked at a change of somebody else, so owners are those who wrote. Reviews may be \
             with the forge.",
        );
    }
    if !people.unknown_owners.is_empty() {
        page.paragraph(&format!(
            "CODEOWNERS names {}, who did nothing in that time, or whom nobody can tell in this history.",
            named(people.unknown_owners.iter().cloned())
        ));
    }
    if people.left_out > 0 {
        page.paragraph(&format!(
            "Left out: {} of the history who had no part in what landed in that time.",
            counted(people.left_out, "person")
        ));
    }
    if people.too_many > 0 {
        page.paragraph(&format!(
            "Left out too: {} who did least of those who count. A later --since has fewer.",
            counted(people.too_many, "person")
        ));
    }
    if !people.without_mail.is_empty() {
        page.paragraph(&format!(
            "Without a mail, because git only names them: {}. Add it, or their commits are nobody's.",
            named(people.without_mail.iter().map(ToString::to_string))
        ));
    }
    if people.mails_left_out > 0 {
        page.paragraph(&format!(
            "{} that several people use, or that are nobody's, were given to none.",
            counted(people.mails_left_out, "mail")
        ));
    }
}

/// `a, b, c and 12 more`.
fn named(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
