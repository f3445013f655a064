//! The pure part of writing, against a model that keeps nothing but the leaves and looks everything up in them.

use std::collections::{BTreeMap, BTreeSet};

use countersign::store::{
    Conflict, Facet, NewLeaf, Projection, Submission, Unfit, Unique,
    batch::{FacetRow, Found, Named, Place, Plan, Rows, Tail, Wanted, plan},
    tiles::{TileAt, Tiles},
};
use countersign_ledger::{
    Digest, Envelope, Hash, Leaf, Line, MemoryNodes, StreamHead, StreamId, Time, dsse::Signature,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Pen, stream};

/// What a naive log would do.
#[derive(Clone, Default)]
struct Model {
    leaves: Vec<Leaf>,
    uniques: Vec<(Unique, u64)>,
    blobs: BTreeSet<Vec<u8>>,
    things: BTreeMap<String, Projection>,
}

impl Model {
    fn head(&self, stream: &StreamId) -> StreamHead {
        let stands = |leaf: &&Leaf| leaf.lines().iter().any(|line| line.stream == *stream);
        let of_it: Vec<&Leaf> = self.leaves.iter().filter(stands).collect();
        match of_it.last() {
            Some(last) => StreamHead { next_seq: of_it.len() as u64, last: last.hash() },
            None => StreamHead::EMPTY,
        }
    }

    fn take(&mut self, submission: Submission) -> Result<u64, Conflict> {
        let mut after = self.clone();
        let first = self.leaves.len() as u64;
        if submission.leaves.is_empty() {
            return Err(Conflict::Unfit(Unfit::Empty));
        }
        for (index, new) in (first..).zip(&submission.leaves) {
            for key in &new.unique {
                // A key of its own is told before one in the log, as the later of the two.
                if let Some((_, index)) = after.uniques.iter().rev().find(|(taken, _)| taken == key) {
                    return Err(Conflict::Taken { key: *key, index: *index });
                }
                after.uniques.push((*key, index));
            }
        }
        for (stream, next) in submission.expected {
            if self.head(&stream).next_seq != next {
                return Err(Conflict::Moved(stream));
            }
        }
        let mut last = self.leaves.last().map_or(Time::from_unix_millis(i64::MIN), |leaf| leaf.admitted_at);
        for new in &submission.leaves {
            if new.leaf.admitted_at < last {
                return Err(Conflict::Overtaken(last));
            }
            last = new.leaf.admitted_at;
        }
        for NewLeaf { leaf, .. } in submission.leaves {
            for line in leaf.lines() {
                if *line != Line::after(line.stream.clone(), after.head(&line.stream)) {
                    return Err(Conflict::Moved(line.stream.clone()));
                }
            }
            after.leaves.push(leaf);
        }
        after.blobs.extend(submission.blobs);
        after.things.extend(submission.projections.into_iter().map(|thing| (thing.name.clone(), thing)));
        *self = after;
        Ok(first)
    }
}

/// The tables of a store, in memory. A row that is there already is a mistake of the plan.
#[derive(Default)]
struct Tables {
    leaves: BTreeMap<u64, Vec<u8>>,
    lines: BTreeMap<(StreamId, u64), u64>,
    uniques: BTreeMap<Unique, u64>,
    tiles: BTreeMap<TileAt, Vec<Hash>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    things: BTreeMap<Named, Projection>,
    facets: BTreeSet<FacetRow>,
}

impl Tables {
    fn look_up(&self, wanted: Wanted) -> Found {
        let mut found = Found::default();
        for stream in wanted.streams {
            let last = self.lines.range((stream.clone(), 0)..=(stream.clone(), u64::MAX)).next_back();
            if let Some(((_, seq), index)) = last {
                let head = StreamHead { next_seq: seq + 1, last: Hash::leaf(&self.leaves[index]) };
                found.heads.insert(stream, head);
            }
        }
        for key in wanted.uniques {
            found.uniques.extend(self.uniques.get(&key).map(|index| (key, *index)));
        }
        for named in wanted.projections {
            let place = self.things.get(&named);
            let place = place.map(|thing| Place { order: thing.order, facets: thing.facets.clone() });
            found.projections.extend(place.map(|place| (named, place)));
        }
        found
    }

    fn write(&mut self, rows: Rows) {
        for (index, bytes) in rows.leaves {
            assert_eq!(index, self.leaves.len() as u64);
            self.leaves.insert(index, bytes);
        }
        for (stream, seq, index) in rows.lines {
            assert_eq!(self.lines.insert((stream, seq), index), None);
        }
        for (key, index) in rows.uniques {
            assert_eq!(self.uniques.insert(key, index), None);
        }
        for (at, hashes) in rows.tiles {
            let before = self.tiles.insert(at, hashes).unwrap_or_default();
            assert!(at.level > 0 || before.is_empty(), "a full tile is written once");
            assert_eq!(self.tiles[&at][..before.len()], before);
        }
        self.blobs.extend(rows.blobs);
        for gone in rows.projections.facets_gone {
            assert!(self.facets.remove(&gone), "{gone:?}");
        }
        for new in rows.projections.facets_new {
            assert!(self.facets.insert(new.clone()), "{new:?}");
        }
        for thing in rows.projections.placed {
            let before = self.things.insert((thing.kind, thing.name.clone()), thing.clone());
            assert_ne!(before.map(|before| before.order), Some(thing.order));
        }
        for thing in rows.projections.replaced {
            let before = self.things.insert((thing.kind, thing.name.clone()), thing.clone());
            assert_eq!(before.map(|before| before.order), Some(thing.order));
        }
    }

    /// The tail as a store finds it when it is opened.
    fn tail(&self) -> Tail {
        let size = self.leaves.len() as u64;
        let mut tiles = Tiles(self.tiles.clone());
        let hashes = self.leaves.range(size / 256 * 256..).map(|(_, bytes)| Hash::leaf(bytes)).collect();
        tiles.0.insert(TileAt { level: 0, index: size / 256 }, hashes);
        let time = self.leaves.last_key_value().map(|(_, bytes)| Leaf::parse(bytes).unwrap().admitted_at);
        Tail::restore(size, time, &tiles).unwrap()
    }
}

fn check(model: &Model, tables: &Tables, tail: &Tail) {
    let bytes: Vec<Vec<u8>> = model.leaves.iter().map(Leaf::to_bytes).collect();
    assert!(tables.leaves.values().eq(&bytes));
    let tree = MemoryNodes::from_leaf_hashes(bytes.iter().map(|bytes| Hash::leaf(bytes)));
    assert_eq!((tail.size(), tail.root()), (tree.size(), tree.root()));
    assert_eq!(tables.tail(), *tail);
    assert_eq!(tables.uniques, model.uniques.iter().copied().collect());
    assert!(tables.blobs.values().collect::<BTreeSet<_>>().into_iter().eq(&model.blobs));
    let streams: BTreeSet<StreamId> = tables.lines.keys().map(|(stream, _)| stream.clone()).collect();
    for ((stream, seq), index) in &tables.lines {
        let leaf = &model.leaves[*index as usize];
        assert!(leaf.lines().iter().any(|line| line.stream == *stream && line.seq == *seq), "{stream} {seq}");
    }
    let found = tables.look_up(Wanted { streams: streams.clone(), ..Wanted::default() });
    for stream in streams {
        assert_eq!(found.heads[&stream], model.head(&stream), "{stream}");
    }
    assert!(tables.things.values().eq(model.things.values()));
    let facets = model.things.values().flat_map(|thing| {
        thing.facets.iter().map(|facet| FacetRow {
            kind: thing.kind,
            facet: facet.clone(),
            order: thing.order,
            name: thing.name.clone(),
        })
    });
    assert_eq!(tables.facets, facets.collect());
}

const STREAMS: [&str; 5] = ["change/a", "change/b", "governance", "person/ada", "target/shop/live"];

/// One submission as it is drawn: what it says is right, as the model stands before the batch, but for what goes wrong.
#[derive(Clone, Debug)]
struct Drawn {
    home: usize,
    further: Vec<usize>,
    leaves: usize,
    wrong_seq: bool,
    wrong_prev: bool,
    later: i64,
    key: u8,
    looked: Option<(usize, bool)>,
    thing: (usize, i64, Vec<usize>),
    blob: u8,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let rarely = || prop::bool::weighted(0.05);
    (
        (0..5_usize, vec(0..5_usize, 0..3), select(vec![1_usize, 1, 1, 2, 3, 0]), rarely(), rarely()),
        (select(vec![0_i64, 0, 0, 1, 2, -1]), 0..60_u8, prop::option::of((0..5_usize, rarely()))),
        (0..3_usize, 0..3_i64, vec(0..4_usize, 0..4), 0..4_u8),
    )
        .prop_map(
            |((home, further, leaves, wrong_seq, wrong_prev), (later, key, looked), (thing, order, facets, blob))| {
                let thing = (thing, order, facets);
                Drawn { home, further, leaves, wrong_seq, wrong_prev, later, key, looked, thing, blob }
            },
        )
}

impl Drawn {
    /// What somebody who sees this model would submit.
    fn submission(&self, seen: &Model, number: usize) -> Submission {
        let mut streams: Vec<StreamId> = self.further.iter().map(|at| stream(STREAMS[*at])).collect();
        streams.sort();
        streams.dedup();
        streams.retain(|further| *further != stream(STREAMS[self.home]));
        streams.insert(0, stream(STREAMS[self.home]));
        let last = seen.leaves.last().map_or(1_000_000, |leaf| leaf.admitted_at.unix_millis());
        let mut heads: BTreeMap<StreamId, StreamHead> = BTreeMap::new();
        let mut submission = Submission::default();
        for nth in 0..self.leaves {
            let signature = Signature { keyid: String::new(), sshsig: vec![nth as u8] };
            let envelope = Envelope::new(format!("{number} {nth}").as_bytes(), vec![signature]).unwrap();
            let lines = streams.iter().map(|stream| {
                let mut head = heads.get(stream).copied().unwrap_or_else(|| seen.head(stream));
                head.next_seq += u64::from(self.wrong_seq);
                if self.wrong_prev {
                    head.last = Hash::empty_tree();
                }
                Line::after(stream.clone(), head)
            });
            let at = Time::from_unix_millis(last + self.later * nth as i64 + self.later);
            let leaf = Leaf::new(lines.collect(), at, envelope).unwrap();
            for line in leaf.lines() {
                heads.insert(line.stream.clone(), StreamHead { next_seq: line.seq + 1, last: leaf.hash() });
            }
            let unique = vec![Unique::of([self.key, nth as u8 / 2]), Unique::of(format!("{number} {nth}"))];
            submission.leaves.push(NewLeaf { leaf, unique });
        }
        if let Some((at, wrong)) = self.looked {
            let stands = seen.head(&stream(STREAMS[at])).next_seq;
            submission.expected.insert(stream(STREAMS[at]), stands + u64::from(wrong));
        }
        let (name, order, facets) = &self.thing;
        submission.projections.push(Projection {
            kind: "thing",
            name: name.to_string(),
            body: number.to_string().into_bytes(),
            order: *order,
            facets: facets.iter().map(|facet| Facet::new("facet", facet.to_string())).collect(),
        });
        submission.blobs.push(vec![self.blob]);
        submission
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_does_what_one_by_one_in_order_of_time_would_do(
        before in select(vec![0_usize, 1, 253, 254, 255, 511]),
        batches in vec(vec((drawn(), any::<bool>()), 1..8), 1..6),
    ) {
        let (mut model, mut tables, mut tail) = (Model::default(), Tables::default(), Tail::default());
        let mut pen = Pen { now: Time::from_unix_millis(1_000_000), ..Pen::default() };
        let first: Vec<Submission> = (0..before).map(|n| pen.next(&[&format!("change/old{n}")])).collect();
        for submission in first.clone() {
            model.leaves.extend(submission.leaves.iter().map(|new| new.leaf.clone()));
            model.uniques.extend(submission.leaves.iter().map(|new| (new.unique[0], model.leaves.len() as u64 - 1)));
            model.things.extend(submission.projections.into_iter().map(|thing| (thing.name.clone(), thing)));
        }
        let Plan { rows, tail: after, .. } = plan(&tail, Found::default(), first);
        tables.write(rows);
        tail = after;
        let mut number = 0;
        for batch in batches {
            // Those who waited together looked at the log as it was before, or as those before them left it.
            let mut seen = model.clone();
            let mut submissions = Vec::new();
            for (drawn, late) in batch {
                number += 1;
                let submission = drawn.submission(if late { &model } else { &seen }, number);
                let _ = seen.take(submission.clone());
                submissions.push(submission);
            }
            let mut in_order: Vec<(usize, Submission)> = submissions.iter().cloned().enumerate().collect();
            in_order.sort_by_key(|(_, submission)| submission.leaves.first().map(|new| new.leaf.admitted_at));
            let mut expected: Vec<_> =
                in_order.into_iter().map(|(place, submission)| (place, model.take(submission))).collect();
            expected.sort_by_key(|(place, _)| *place);
            let found = tables.look_up(Wanted::of(&submissions));
            let Plan { results, rows, tail: after } = plan(&tail, found, submissions);
            prop_assert_eq!(results, expected.into_iter().map(|(_, result)| result).collect::<Vec<_>>());
            tables.write(rows);
            tail = after;
            check(&model, &tables, &tail);
        }
    }
}

#[test]
fn the_tail_is_the_same_whether_it_was_kept_or_read_again_at_every_size() {
    let (mut tables, mut tail) = (Tables::default(), Tail::default());
    let mut tree = MemoryNodes::new();
    let mut pen = Pen::default();
    // Over the end of a tile of the second level.
    for size in [1_usize, 254, 1, 1, 255, 65_000, 23, 1, 1, 255, 1] {
        let batch: Vec<Submission> = (0..size).map(|_| pen.next(&["change/a"])).collect();
        let found = tables.look_up(Wanted::of(&batch));
        let Plan { results, rows, tail: after } = plan(&tail, found, batch);
        assert!(results.iter().all(Result::is_ok));
        rows.leaves.iter().for_each(|(_, bytes)| tree.push_leaf(Hash::leaf(bytes)));
        tables.write(rows);
        tail = after;
        assert_eq!((tail.size(), tail.root()), (tree.size(), tree.root()));
        assert_eq!(tables.tail(), tail, "{}", tail.size());
    }
    assert_eq!(tail.size(), 65_793);
    assert_eq!(tables.tiles[&TileAt { level: 1, index: 0 }].len(), 256);
}
