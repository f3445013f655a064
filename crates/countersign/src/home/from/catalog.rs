//! The catalog: everybody of the window, a group that owns each system, and the systems.

use std::{collections::BTreeMap, fmt::Write as _};

use countersign_audit::{
    AreasBy, IdentityId,
    start::{
        EVERYONE, MAX_MAP, OWNERS_SHARE, Owner, SENIOR_FOR, SENIOR_LOOKED, SENIOR_MONTHS, StartingGroup,
        StartingPerson, StartingSystem, TIER_1_SHARE, TIER_2_SHARE,
    },
};
use countersign_core::{
    catalog::{CatalogSettings, PATHS_ANNOTATION},
    ids::ActorId,
};

use super::{Past, comment, counted, wrapped};
use crate::home::{
    people::{Person, user},
    quoted,
};

/// A file that is larger is full: a catalog takes twice as much, and an editor is at ease with this.
const FULL_BYTES: usize = 2 * 1024 * 1024;

/// The founders, with what the history knows of them, and everybody else of the history.
pub fn merge(people: &mut Vec<Person>, found: &[StartingPerson]) {
    for person in found {
        match people.iter_mut().find(|known| known.id == person.id) {
            Some(known) => {
                person.mails.iter().for_each(|mail| known.add_mail(mail));
                if known.display_name.is_none() && !person.name.is_empty() {
                    known.display_name = Some(comment(&person.name));
                }
            }
            None => people.push(Person {
                id: person.id.clone(),
                display_name: Some(comment(&person.name)).filter(|name| !name.is_empty()),
                mails: person.mails.clone(),
                keys: Vec::new(),
                founder: false,
                level: person.level(),
            }),
        }
    }
}

/// The environment that a gate's targets name: the first that counts as production.
pub fn environment(settings: &CatalogSettings) -> String {
    settings.production.iter().next().map_or_else(|| "production".to_owned(), ToString::to_string)
}

/// `org.yaml` and `systems.yaml`.
pub fn catalog(past: &Past<'_>, people: &[Person], settings: &CatalogSettings) -> BTreeMap<String, String> {
    let by_who: BTreeMap<IdentityId, &StartingPerson> =
        past.start.people.iter().map(|person| (person.who, person)).collect();
    let mut files = BTreeMap::from([("systems.yaml".to_owned(), systems(past, settings))]);
    for (text, number) in org(past, people, &by_who, settings).into_iter().zip(1_u32..) {
        let name = if number == 1 { "org.yaml".to_owned() } else { format!("org-{number}.yaml") };
        files.insert(name, text);
    }
    files
}

fn org(
    past: &Past<'_>,
    people: &[Person],
    by_who: &BTreeMap<IdentityId, &StartingPerson>,
    settings: &CatalogSettings,
) -> Vec<String> {
    let mut text = wrapped(
        "#",
        &format!(
            "People and groups, as Backstage entities, proposed by `countersign init --from` from {} on {} of {}. Check \
             them: an edit counts once two people have signed it, `countersign amend`.",
            past.window(),
            past.branch,
            past.repository
        ),
    );
    text.push_str("#\n");
    text.push_str(&wrapped(
        "#",
        &format!(
            "Levels are standard, senior, principal and director. Senior is proposed for founders, and for whoever is \
             named by git as having looked at {SENIOR_LOOKED} or more changes of {SENIOR_FOR} or more others in \
             {SENIOR_MONTHS} or more different months. That is activity, not judgement: say yourself who is senior."
        ),
    ));
    text.push_str("#\n");
    text.push_str(&wrapped(
        "#",
        &format!(
            "No history has keys. Whoever has none is known as the author of their commits, and can approve nothing: \
             add `{}: |` with one OpenSSH public key a line below their annotations.",
            settings.keys_annotation
        ),
    ));
    let _ = write!(
        text,
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: {EVERYONE}\n\
         spec:\n  type: organization\n  children: []\n"
    );
    for of in &past.start.groups {
        text.push_str("---\n");
        let systems = past.start.systems.iter().filter(|system| of.of.contains(&system.id));
        let stated: Vec<&str> = systems.flat_map(|system| &system.stated).map(String::as_str).collect();
        text.push_str(&group(of, &stated, by_who));
    }
    let by_id: BTreeMap<&ActorId, &StartingPerson> =
        past.start.people.iter().map(|person| (&person.id, person)).collect();
    let mut files = Vec::new();
    for person in people {
        if text.len() > FULL_BYTES {
            files.push(std::mem::replace(&mut text, "# More people: see org.yaml.\n".to_owned()));
        } else {
            text.push_str("---\n");
        }
        if let Some(found) = by_id.get(&person.id) {
            text.push_str(&wrapped("#", &did(found)));
        }
        text.push_str(&user(person, Some(EVERYONE), settings));
    }
    files.push(text);
    files
}

fn did(person: &StartingPerson) -> String {
    let looked = match person.looked {
        0 => "git does not name them as having looked at any of others".to_owned(),
        looked => format!(
            "looked at {looked} of {}, in {}",
            counted(person.looked_for, "other"),
            counted(person.months, "month")
        ),
    };
    let senior = if person.earned_senior() { ": senior is proposed for that" } else { "" };
    format!("A hand in {}; {looked}{senior}.", counted(person.wrote as usize, "change"))
}

fn group(of: &StartingGroup, stated: &[&str], by_who: &BTreeMap<IdentityId, &StartingPerson>) -> String {
    let members: Vec<(&ActorId, &Owner)> =
        of.members.iter().filter_map(|part| Some((&by_who.get(&part.who)?.id, part))).collect();
    let systems = of.of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut said = match &of.team {
        Some(team) => format!(
            "{team} of CODEOWNERS. Git does not know who is in it: these carried {:.0}% of {systems} and are proposed",
            OWNERS_SHARE * 100.0
        ),
        None if members.iter().any(|(_, part)| part.stated) => {
            format!("Whom CODEOWNERS names as owners of {systems}, and who else carried it")
        }
        None if !stated.is_empty() => format!(
            "CODEOWNERS names {} as owners of {systems}. Who carried {:.0}% of it is proposed",
            stated.join(" and "),
            OWNERS_SHARE * 100.0
        ),
        None => format!("Those who carried {:.0}% of {systems}", OWNERS_SHARE * 100.0),
    };
    let named: Vec<String> = members
        .iter()
        .map(|(id, part)| {
            let stated = if part.stated { " (CODEOWNERS)" } else { "" };
            format!("{id}{stated} wrote {} and looked at {}", part.wrote, part.looked)
        })
        .collect();
    match named.is_empty() {
        true => said = format!("Nobody who could be named had a part in {systems}."),
        false => {
            let _ = write!(said, ": {}. In all {} had a part.", named.join(", "), counted(of.people, "person"));
        }
    }
    let mut text = wrapped("#", &said);
    match members.as_slice() {
        [] | [_] => text.push_str(&wrapped(
            "#",
            "Nobody of the group above owns with it: with fewer than two members somebody is irreplaceable. Name a second.",
        )),
        _ => {}
    }
    let members: Vec<String> = members.into_iter().map(|(id, _)| quoted(id.as_str())).collect();
    let _ = write!(
        text,
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: {}\n\
         spec:\n  type: team\n  parent: {EVERYONE}\n  children: []\n  members: [{}]\n",
        quoted(of.id.as_str()),
        members.join(", ")
    );
    text
}

fn systems(past: &Past<'_>, settings: &CatalogSettings) -> String {
    let mut text = wrapped(
        "#",
        &format!(
            "What runs in production, proposed by `countersign init --from` from {} on {} of {}: a system for each {}, \
             and one for everything else. Rename, split and join them until they are what you operate.",
            past.window(),
            past.branch,
            past.repository,
            match past.start.by {
                AreasBy::Folders => "top folder that carried some of it",
                AreasBy::CodeOwners | AreasBy::Catalog => "set of owners that CODEOWNERS names",
            }
        ),
    );
    text.push_str("#\n");
    text.push_str(&wrapped(
        "#",
        &format!(
            "The tier says how much a failure matters: 1 is highest, 4 lowest. Tier 1 is proposed where {:.0}% or more \
             of the changes touch infrastructure, deployment, access control or a schema, tier 2 where {:.0}% or more \
             do, else tier 3. Git does not know what an outage costs: you do.",
            TIER_1_SHARE * 100.0,
            TIER_2_SHARE * 100.0
        ),
    ));
    text.push_str(
        "#\n# A git gate is told which paths reach which system; this covers every path of the branch today, and only watches:\n#\n",
    );
    if past.start.systems.iter().map(|system| system.patterns.len()).sum::<usize>() > MAX_MAP {
        let more = format!("These are more than the {MAX_MAP} entries that a gate takes: join some of them first.");
        text.push_str(&wrapped("#", &more));
        text.push_str("#\n");
    }
    let environment = environment(settings);
    text.push_str(
        "#   countersign gate install REPOSITORY.git --key KEY --name NAME --trust HOME/trust.json --mode watch",
    );
    // Whoever copies the command into a shell is not to run what somebody called a branch or a folder.
    let word = |text: &str| format!("'{}'", comment(text).replace('\'', "'\\''"));
    // With `=`, because a name that begins with `-` would be read as another option.
    let _ = write!(text, " \\\n#     --branch={}", word(&past.branch));
    for system in &past.start.systems {
        for pattern in &system.patterns {
            let _ = write!(text, " \\\n#     --map={}", word(&format!("{pattern}={}/{environment}", system.id)));
        }
    }
    text.push_str("\n\n");
    for (at, system) in past.start.systems.iter().enumerate() {
        if at > 0 {
            text.push_str("---\n");
        }
        text.push_str(&wrapped("#", &of_system(system)));
        let _ = write!(
            text,
            "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: {}\n  annotations:\n    {}: \"{}\"\n",
            quoted(system.id.as_str()),
            quoted(&settings.tier_annotation),
            u8::from(system.tier)
        );
        if !system.patterns.is_empty() {
            let _ = writeln!(text, "    {PATHS_ANNOTATION}: |");
            for pattern in &system.patterns {
                let _ = writeln!(text, "      {pattern}");
            }
        }
        let _ = writeln!(text, "spec:\n  owner: {}", quoted(system.owner.as_str()));
    }
    text
}

fn of_system(system: &StartingSystem) -> String {
    let holds = match system.holds.is_empty() {
        true => "What is in no other system".to_owned(),
        false => system.holds.join(", "),
    };
    let stated = match system.stated.is_empty() {
        true => String::new(),
        false => format!(", of {} by CODEOWNERS", system.stated.join(" and ")),
    };
    let felt: Vec<String> = system.felt.iter().map(|(class, changes)| format!("{class} {changes}")).collect();
    let felt = match felt.is_empty() {
        true => "none touches infrastructure, deployment, access control or a schema".to_owned(),
        false => format!(
            "of them touch infrastructure, deployment, access control or a schema: {} ({})",
            system.felt_changes,
            felt.join(", ")
        ),
    };
    let left_out = match system.patterns_left_out {
        0 => String::new(),
        more => {
            format!(" {more} more patterns were left out: write wider ones, or a gate refuses what they do not name.")
        }
    };
    format!("{holds}{stated}. Changes: {}; {felt}.{left_out}", system.landed)
}
