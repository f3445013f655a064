//! Who is no person though a catalog lists them as one: robots, and accounts that several people share. Neither can be the
//! second pair of eyes, so that they are taken for workloads unless their entity says what they are.
//!
//! By their names alone, and so by a table: somebody who is taken for a robot says `person` in one line, while a robot that is
//! taken for a person approves.

/// Words of which one makes a name a robot's: `release-bot`, `dependabot[bot]`.
const ROBOTS: &[&str] =
    &["bot", "robot", "ci", "dependabot", "renovate", "jenkins", "deployer", "autodeploy", "automation", "svc"];
/// Words of which one makes a name that of several people: `payments-team`.
const COLLECTIVE: &[&str] = &["team", "group", "shared", "oncall", "everyone", "everybody", "mailinglist"];
/// Names that are several people's, or nobody's, as a whole.
const WHOLE: &[&str] = &[
    "admin",
    "admins",
    "administrator",
    "all",
    "build",
    "builds",
    "contact",
    "deploy",
    "dev",
    "devops",
    "developers",
    "devs",
    "engineering",
    "github-actions",
    "hello",
    "help",
    "helpdesk",
    "info",
    "infra",
    "it",
    "mail",
    "no-reply",
    "noreply",
    "on-call",
    "operations",
    "ops",
    "platform",
    "postmaster",
    "release",
    "releases",
    "root",
    "security",
    "service",
    "sre",
    "staff",
    "support",
    "system",
    "webmaster",
];

/// What an account looks like by its name, its display name and its mails, if not like a person.
pub fn no_person<'a>(
    id: &str,
    display_name: Option<&str>,
    mails: impl IntoIterator<Item = &'a String>,
) -> Option<&'static str> {
    let locals: Vec<String> = mails.into_iter().filter_map(|mail| mail.split('@').next().map(str::to_owned)).collect();
    let names = [Some(id.to_owned()), display_name.map(str::to_owned)].into_iter().flatten().chain(locals);
    names.map(|name| name.to_lowercase()).find_map(|name| {
        let words = || name.split(|c: char| !c.is_alphanumeric());
        if words().any(|word| ROBOTS.contains(&word)) || name.ends_with("[bot]") {
            Some("a robot")
        } else if words().any(|word| COLLECTIVE.contains(&word)) || WHOLE.contains(&name.as_str()) {
            Some("a collective account")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_and_shared_accounts_are_told_from_people() {
        let of = |id: &str, mail: &str| no_person(id, None, &[mail.to_owned()]);
        assert_eq!(of("release-bot", "x@example.com"), Some("a robot"));
        assert_eq!(of("x", "dependabot[bot]@users.noreply.github.com"), Some("a robot"));
        assert_eq!(of("payments-team", "x@example.com"), Some("a collective account"));
        assert_eq!(of("x", "sre@example.com"), Some("a collective account"));
        for person in ["ada", "abbot", "talbot", "robotham", "cicero", "grace.hopper", "teamer", "sreeja"] {
            assert_eq!(of(person, &format!("{person}@example.com")), None, "{person}");
        }
    }
}
