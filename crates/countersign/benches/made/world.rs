//! People with keys, the systems that they own, and the home that the first two of them founded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use countersign::home::{Blueprint, Config, Home, HomeError, shipped};
use countersign_core::{
    ids::{ActorId, GateId, SystemId, Target},
    statement::{Founder, MAX_TARGETS},
};
use countersign_ledger::SigningKey;
use rand_core::OsRng;

/// The group above all teams.
const EVERYBODY: &str = "everybody";
/// Users of one file of the catalog.
const USERS_PER_FILE: usize = 500;

pub struct Person {
    pub id: ActorId,
    pub key: SigningKey,
    pub mail: String,
    pub senior: bool,
    /// Their only group, which also names the file that they stand in.
    pub group: String,
}

pub struct World {
    pub folder: PathBuf,
    pub home: Home,
    pub people: Vec<Person>,
    pub systems: Vec<SystemId>,
    /// The keys of the gates whose pushes are made up; each guards its share of the systems.
    pub gates: Vec<SigningKey>,
    /// Where the people are in `people` who own a system, the seniors first.
    owners: Vec<Vec<usize>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl World {
    /// Each system has a team that owns it where there are people enough for two in each; else everybody owns everything.
    pub fn new(folder: &Path, people: usize, systems: usize) -> Result<Self> {
        ensure!(people >= 3 && systems >= 4, "at least 3 people and 4 systems are needed");
        let in_teams = people >= 2 * systems;
        let systems: Vec<SystemId> =
            (0..systems).map(|n| format!("service-{n:03}").parse()).collect::<Result<_, _>>()?;
        let people: Vec<Person> = (0..people)
            .map(|n| {
                let group = if in_teams { team(n % systems.len()) } else { EVERYBODY.to_owned() };
                // In a team the first is a senior, and every fourth after that.
                let place = if in_teams { n / systems.len() } else { n };
                Ok(Person {
                    id: format!("person-{n:04}").parse()?,
                    key: SigningKey::generate(&mut OsRng),
                    mail: format!("person-{n:04}@shop.test"),
                    senior: place % 4 == 0,
                    group,
                })
            })
            .collect::<Result<_>>()?;
        let owners = (0..systems.len())
            .map(|system| {
                let (team, all) = (team(system), EVERYBODY.to_owned());
                let mut owners: Vec<usize> =
                    (0..people.len()).filter(|n| people[*n].group == team || people[*n].group == all).collect();
                owners.sort_by_key(|n| (!people[*n].senior, *n));
                owners
            })
            .collect();
        let home = found(folder, &people, &systems)?;
        let gates = systems.chunks(MAX_TARGETS).map(|_| SigningKey::generate(&mut OsRng)).collect();
        Ok(Self { folder: folder.to_owned(), home, people, systems, gates, owners })
    }

    /// The made-up gate before a system: its name and its key.
    pub fn gate(&self, system: usize) -> Result<(GateId, &SigningKey)> {
        let place = system / MAX_TARGETS;
        Ok((format!("made-up-{place}").parse()?, &self.gates[place]))
    }

    /// The systems that each made-up gate guards.
    pub fn guarded(&self) -> Vec<Vec<usize>> {
        let all: Vec<usize> = (0..self.systems.len()).collect();
        all.chunks(MAX_TARGETS).map(<[usize]>::to_vec).collect()
    }

    /// Who proposes the `turn`th change of a system, and a senior owner who approves it.
    pub fn pair(&self, system: usize, turn: usize) -> (&Person, &Person) {
        let owners = &self.owners[system];
        let seniors = owners.iter().filter(|n| self.people[**n].senior).count();
        let approver = owners[turn % seniors];
        let place = turn % owners.len();
        let proposer = if owners[place] == approver { owners[(place + 1) % owners.len()] } else { owners[place] };
        (&self.people[proposer], &self.people[approver])
    }

    pub fn target(&self, system: usize) -> Result<Target> {
        Ok(format!("{}/production", self.systems[system]).parse()?)
    }

    /// Systems below tier 1, whose changes need no more than an owner's approval.
    pub fn plain_systems(&self) -> Vec<usize> {
        (0..self.systems.len()).filter(|n| tier(*n) > 1).collect()
    }

    /// Writes somebody's secret key down for `ssh-keygen`, and gives the file.
    pub fn key_file(&self, person: &Person) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}.key", person.id));
        fs::write(&path, person.key.to_openssh().as_bytes())?;
        fs::write(path.with_extension("key.pub"), format!("{}\n", person.key.public()))?;
        countersign::unix::restrict(&path, false)?;
        Ok(path)
    }
}

fn team(system: usize) -> String {
    format!("team-{system:03}")
}

/// From 1 to 4.
pub fn tier(system: usize) -> usize {
    1 + system % 4
}

fn found(folder: &Path, people: &[Person], systems: &[SystemId]) -> Result<Home> {
    let mut catalog = BTreeMap::from([("systems.yaml".to_owned(), systems_yaml(systems, people)?)]);
    for (number, some) in people.chunks(USERS_PER_FILE).enumerate() {
        catalog.insert(format!("people-{number:02}.yaml"), people_yaml(some)?);
    }
    let config = Config::parse("version: 1\norigin: made-up/log\n", Path::new("countersign.yaml"))?;
    let founders: Vec<Founder> =
        people.iter().take(2).map(|person| Founder { person: person.id.clone(), key: person.key.public() }).collect();
    let blueprint = Blueprint { config, founders, threshold: 2, recovery_quorum: 2, catalog, rules: shipped::files() };
    Home::create::<HomeError>(&folder.join("home"), blueprint, |draft| {
        let sign = |person: &Person| person.key.sign(&draft.payload).ok();
        Ok(people.iter().take(2).filter_map(sign).collect())
    })
    .context("the home")
}

fn systems_yaml(systems: &[SystemId], people: &[Person]) -> Result<String> {
    const HEAD: &str = "---\napiVersion: backstage.io/v1alpha1\n";
    let used: BTreeSet<&str> = people.iter().map(|person| person.group.as_str()).collect();
    let mut text = format!("{HEAD}kind: Group\nmetadata:\n  name: {EVERYBODY}\nspec:\n  children: []\n");
    for (n, system) in systems.iter().enumerate() {
        let team = team(n);
        let owner = if used.contains(team.as_str()) { team.as_str() } else { EVERYBODY };
        if owner == team {
            write!(
                text,
                "{HEAD}kind: Group\nmetadata:\n  name: {team}\nspec:\n  parent: {EVERYBODY}\n  children: []\n"
            )?;
        }
        write!(
            text,
            "{HEAD}kind: Component\nmetadata:\n  name: {system}\n  annotations:\n    countersign/tier: \"{}\"\nspec:\n  \
             owner: {owner}\n",
            tier(n)
        )?;
    }
    Ok(text)
}

fn people_yaml(people: &[Person]) -> Result<String> {
    let mut text = String::new();
    for Person { id, key, mail, senior, group } in people {
        let level = if *senior { "senior" } else { "standard" };
        write!(
            text,
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {id}\n  annotations:\n    \
             countersign/level: {level}\n    countersign/keys: {}\nspec:\n  profile:\n    displayName: Person {id}\n    \
             email: {mail}\n  memberOf: [{group}]\n",
            key.public()
        )?;
    }
    Ok(text)
}
