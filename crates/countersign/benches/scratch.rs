#![allow(clippy::all, dead_code)]
mod made;
use countersign::home::shipped;
use countersign_core::{
    facts::{ai, git::Ident, message::Message},
    governance::Governance,
    rules::Rules,
};
use std::time::Instant;
fn main() {
    let t = Instant::now();
    let ident = Ident { name: "Person a".into(), mail: "a@shop.test".into() };
    let m = Message::read(b"Raise it\n\nBecause.\n");
    let f = ai::signals(&ident, &ident, &[], &m);
    println!("signals first {:?} {}", t.elapsed(), f.len());
    let t = Instant::now();
    let c = m.coauthors();
    println!("coauthors first {:?} {}", t.elapsed(), c.len());
    let t = Instant::now();
    let r = Rules::parse(&shipped::rules()).unwrap();
    println!("rules first {:?}", t.elapsed());
    let t = Instant::now();
    let r = Rules::parse(&shipped::rules()).unwrap();
    println!("rules again {:?} {}", t.elapsed(), r.len());
    let people: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(5000);
    let folder = tempfile::tempdir().unwrap();
    let t = Instant::now();
    let w = made::world::World::new(folder.path(), people, 335).unwrap();
    println!("world {:?}", t.elapsed());
    let at = countersign_ledger::StreamHead { last: countersign_ledger::Hash::empty_tree(), next_seq: 1 };
    let t = Instant::now();
    let g = w.home.governance().unwrap();
    println!("governance {:?}", t.elapsed());
    let bytes = g.to_kept(at).unwrap();
    println!("kept {} bytes", bytes.len());
    for _ in 0..4 {
    let t = Instant::now();
    let d = countersign_ledger::Digest::of(&bytes);
    println!("digest {:?} {d}", t.elapsed());
    let t = Instant::now();
    let g = Governance::from_kept(&bytes, at).unwrap();
    println!("from_kept {:?}", t.elapsed());
    drop(g);
    }
}
