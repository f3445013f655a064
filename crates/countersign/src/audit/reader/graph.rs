//! The graph of a branch, in numbers: which changes landed, and which commits each of them brought.
//!
//! A commit is a number in the order in which git lists it, parents sometimes before their turn.

use std::collections::{BTreeMap, HashMap};

use base16ct::lower;
use countersign_core::ids::Oid;

use super::{
    BLOCK, Coverage, ReadError, Selection, fields,
    notes::{Notes, Place},
    running::Source,
};

/// Commits between two looks at whether the user wants to stop.
const STOP_EVERY: usize = 4096;

/// An object id in as few bytes as both kinds of repository need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    bytes: [u8; 32],
    sha256: bool,
}

impl Id {
    pub fn parse(hex: &[u8]) -> Option<Self> {
        if !matches!(hex.len(), 40 | 64) {
            return None;
        }
        let mut bytes = [0; 32];
        lower::decode(hex, &mut bytes).ok()?;
        Some(Self { bytes, sha256: hex.len() == 64 })
    }

    pub fn hex(&self) -> String {
        let (sha1, _) = self.bytes.split_at(20);
        lower::encode_string(if self.sha256 { &self.bytes } else { sha1 })
    }

    pub fn oid(&self) -> Result<Oid, ReadError> {
        Ok(self.hex().parse()?)
    }
}

#[derive(Debug, Default)]
pub struct Graph {
    ids: Vec<Id>,
    numbers: HashMap<Id, u32>,
    times: Vec<i64>,
    /// Where in git's list the commit stands.
    places: Vec<u32>,
    /// Where in `parents` its own end, and how many they are.
    ends: Vec<(u32, u32)>,
    parents: Vec<u32>,
    listed: usize,
}

/// Lists every commit that `tip` reaches.
pub fn read(source: Source<'_>, tip: &Oid) -> Result<Graph, ReadError> {
    let mut running = source.start("rev-list", &["--parents", "--timestamp", tip.as_str()])?;
    let mut graph = Graph::default();
    loop {
        if graph.listed.is_multiple_of(STOP_EVERY) {
            source.stop.check()?;
        }
        match fields::until(&mut running.stdout, b'\n') {
            Ok(Some(line)) => match graph.list(&line) {
                Some(()) => {}
                None if graph.ids.len() >= u32::MAX as usize => {
                    return Err(ReadError::TooManyCommits { path: source.path.to_owned() });
                }
                None => return Err(running.answer(&line)),
            },
            Ok(None) => break,
            Err(_) => return Err(running.broken(None)),
        }
    }
    let finished = running.finish();
    source.stop.check()?;
    finished.map(|()| graph)
}

impl Graph {
    /// `TIME ID PARENT …`.
    fn list(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.split(|byte| *byte == b' ');
        // A time that no number holds is as unknown as one that says 1970.
        let time = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or_default();
        let number = self.number(Id::parse(words.next()?)?)?;
        let start = self.parents.len();
        for parent in words {
            let parent = self.number(Id::parse(parent)?)?;
            self.parents.push(parent);
        }
        let count = self.parents.len().checked_sub(start)?;
        let at = usize::try_from(number).ok()?;
        *self.times.get_mut(at)? = time;
        *self.places.get_mut(at)? = u32::try_from(self.listed).ok()?;
        *self.ends.get_mut(at)? = (u32::try_from(self.parents.len()).ok()?, u32::try_from(count).ok()?);
        self.listed = self.listed.checked_add(1)?;
        Some(())
    }

    fn number(&mut self, id: Id) -> Option<u32> {
        if let Some(number) = self.numbers.get(&id) {
            return Some(*number);
        }
        let number = u32::try_from(self.ids.len()).ok().filter(|number| *number < u32::MAX)?;
        self.ids.push(id);
        self.times.push(0);
        self.places.push(0);
        self.ends.push((0, 0));
        self.numbers.insert(id, number);
        Some(number)
    }

    fn parents(&self, number: u32) -> &[u32] {
        let (end, count) = self.ends.get(number as usize).copied().unwrap_or_default();
        self.parents.get(end.saturating_sub(count) as usize..end as usize).unwrap_or_default()
    }

    fn time(&self, number: u32) -> i64 {
        self.times.get(number as usize).copied().unwrap_or_default()
    }

    pub fn id(&self, number: u32) -> Option<&Id> {
        self.ids.get(number as usize)
    }

    pub fn parent_oids(&self, number: u32) -> Result<Vec<Oid>, ReadError> {
        self.parents(number).iter().filter_map(|parent| self.id(*parent)).map(Id::oid).collect()
    }
}

/// A landed change, as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub commit: u32,
    /// Where in the plan's list the commits that it brings begin and end.
    brought: (usize, usize),
    /// The history is cut off here, so a comparison would say that everything is new.
    pub paths_unknown: bool,
}

/// What is read, and in which order.
#[derive(Debug)]
pub struct Plan {
    pub graph: Graph,
    /// Newest first.
    pub landed: Vec<Step>,
    brought: Vec<u32>,
    /// Notes by commit.
    notes: BTreeMap<u32, Vec<Place>>,
    root: Option<Id>,
    pub coverage: Coverage,
}

impl Plan {
    pub fn new(graph: Graph, tip: &Oid, selection: &Selection, notes: Notes, shallow: bool) -> Self {
        let mut chain = Vec::new();
        let tip = Id::parse(tip.as_str().as_bytes()).and_then(|id| graph.numbers.get(&id).copied());
        let mut next = tip;
        while let Some(commit) = next {
            chain.push(commit);
            next = graph.parents(commit).first().copied();
        }
        chain.reverse();
        let (landed, brought) = assign(&graph, &chain, selection, shallow);
        let coverage = Coverage {
            shallow,
            commits: graph.listed,
            landed_ever: chain.len(),
            notes: notes.references,
            note_db_changes: notes.note_db_changes,
        };
        let root = chain.first().and_then(|root| graph.id(*root).copied());
        let mut by_commit: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
        for (on, place) in notes.places {
            if let Some(commit) = graph.numbers.get(&on) {
                by_commit.entry(*commit).or_default().push(place);
            }
        }
        Self { graph, landed, brought, notes: by_commit, root, coverage }
    }

    pub fn root(&self) -> Option<Oid> {
        self.root.and_then(|root| root.oid().ok())
    }

    pub fn blocks(&self) -> usize {
        self.landed.len().div_ceil(BLOCK)
    }

    pub fn block(&self, which: usize) -> &[Step] {
        let start = which.saturating_mul(BLOCK);
        self.landed.get(start..start.saturating_add(BLOCK).min(self.landed.len())).unwrap_or_default()
    }

    pub fn brought(&self, step: &Step) -> &[u32] {
        self.brought.get(step.brought.0..step.brought.1).unwrap_or_default()
    }

    pub fn notes(&self, commit: u32) -> &[Place] {
        self.notes.get(&commit).map_or(&[], Vec::as_slice)
    }

    /// Anything but landed commits and their paths.
    pub fn needs_objects(&self) -> bool {
        !self.brought.is_empty() || !self.notes.is_empty()
    }
}

/// Gives every commit that is no first parent to the oldest landed change that reaches it.
fn assign(graph: &Graph, chain: &[u32], selection: &Selection, shallow: bool) -> (Vec<Step>, Vec<u32>) {
    let mut seen = vec![false; graph.ids.len()];
    let mut first = |commit: u32| match seen.get_mut(commit as usize) {
        Some(seen) => !std::mem::replace(seen, true),
        None => false,
    };
    let (mut landed, mut brought) = (Vec::new(), Vec::new());
    let mut waiting = Vec::new();
    for &commit in chain {
        first(commit);
        let start = brought.len();
        waiting.extend(graph.parents(commit).iter().skip(1));
        while let Some(other) = waiting.pop() {
            if first(other) {
                brought.push(other);
                waiting.extend(graph.parents(other));
            }
        }
        if !selection.holds(graph.time(commit)) {
            brought.truncate(start);
            continue;
        }
        if let Some(mine) = brought.get_mut(start..) {
            // git lists children first.
            mine.sort_unstable_by_key(|other| std::cmp::Reverse(graph.places.get(*other as usize)));
        }
        let paths_unknown = shallow && graph.parents(commit).is_empty();
        landed.push(Step { commit, brought: (start, brought.len()), paths_unknown });
    }
    landed.reverse();
    (landed, brought)
}
