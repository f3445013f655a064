//! Projections: by name, by the beginning of a name, and as lists.

use std::collections::BTreeSet;

use countersign::store::{Cursor, Facet, List, MAX_PAGE, Projection, Store};

use super::{Pen, Place, body, dump};

const KIND: &str = "change";

fn change(name: &str, order: i64, facets: &[(&str, &str)]) -> Projection {
    let facets = facets.iter().map(|(name, value)| Facet::new(*name, *value)).collect();
    Projection { kind: KIND, name: name.to_owned(), body: name.as_bytes().to_vec(), order, facets }
}

/// The names of all pages of a list, and how many pages there were.
async fn all(store: &dyn Store, mut list: List<'_>) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    for pages in 1.. {
        let page = store.list(&list).await.unwrap();
        assert!(page.items.len() as u64 <= list.limit);
        for item in &page.items {
            assert_eq!(item.body, item.name.as_bytes());
        }
        names.extend(page.items.into_iter().map(|item| item.name));
        // As a client has it: out and in as text.
        list.after = page.next.map(|next| next.to_string().parse::<Cursor>().unwrap());
        if list.after.is_none() {
            return (names, pages);
        }
    }
    unreachable!()
}

async fn narrowed(store: &dyn Store, filters: &[(&str, &str)]) -> Vec<String> {
    let filters: Vec<Facet> = filters.iter().map(|(name, value)| Facet::new(*name, *value)).collect();
    all(store, List { filters: &filters, ..List::of(KIND, 3) }).await.0
}

pub async fn projections_are_replaced_whole_and_found_by_the_beginning_of_their_name(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let mut first = pen.next(&["change/a"]);
    let names = ["ab", "b", "aa", "a%", "A", "a\u{10ffff}z", "a\u{d7ff}z", "a\u{e000}"];
    first.projections = names.map(|name| change(name, 0, &[])).into();
    first.projections.push(pen.thing("ab", "of another kind"));
    let mut second = pen.next(&["change/a"]);
    let written = |body: &[u8]| Projection { body: body.to_vec(), ..change("ab", 0, &[]) };
    second.projections = vec![written(&[1, 2]), written(&[3])];
    place.commit(&*store, vec![first, second]).await;
    assert_eq!(body(&*store, KIND, "ab").await, Some(vec![3]));
    assert_eq!(body(&*store, "thing", "ab").await, Some(b"of another kind".to_vec()));
    let wanted = ["b", "none", "ab"].map(str::to_owned);
    let found = store.projections(KIND, &wanted).await.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["ab", "b"]);

    let find = async |prefix: &str, limit| {
        let found = store.find(KIND, prefix, limit).await.unwrap();
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(find("a", 9).await, ["a%", "aa", "ab", "a\u{d7ff}z", "a\u{e000}", "a\u{10ffff}z"]);
    assert_eq!(find("a%", 9).await, ["a%"]);
    assert_eq!(find("a\u{d7ff}", 9).await, ["a\u{d7ff}z"]);
    assert_eq!(find("a\u{10ffff}", 9).await, ["a\u{10ffff}z"]);
    assert_eq!(find("_", 9).await, [""; 0]);
    assert_eq!(find("", 2).await, ["A", "a%"]);
}

pub async fn a_search_by_name_has_its_limit(place: &Place) {
    let store = place.open().await;
    store.project((0..MAX_PAGE + 5).map(|n| change(&format!("{n:05}"), 0, &[])).collect()).await.unwrap();
    assert_eq!(store.find(KIND, "", u64::MAX).await.unwrap().len() as u64, MAX_PAGE);
}

pub async fn a_list_shows_the_highest_order_first_a_page_at_a_time(place: &Place) {
    let store = place.open().await;
    let changes = [("e", -5), ("a", 7), ("b", 7), ("d", 0), ("c", 7), ("f", i64::MAX), ("g", i64::MIN)];
    store.project(changes.map(|(name, order)| change(name, order, &[])).into()).await.unwrap();
    store.project(vec![Pen::default().thing("a", "of another kind")]).await.unwrap();
    let everything = ["f", "c", "b", "a", "d", "e", "g"];
    for limit in [1, 2, 3, 100] {
        assert_eq!(all(&*store, List::of(KIND, limit)).await.0, everything, "{limit}");
    }
    assert_eq!(all(&*store, List::of(KIND, 100)).await.1, 1);
    for (orders, expected) in [
        (0..=7, &["c", "b", "a", "d"][..]),
        (7..=7, &["c", "b", "a"]),
        (8..=i64::MAX, &["f"]),
        (i64::MIN..=-5, &["e", "g"]),
        (1..=6, &[]),
    ] {
        assert_eq!(all(&*store, List { orders: orders.clone(), ..List::of(KIND, 2) }).await.0, expected, "{orders:?}");
    }
    assert!(store.list(&List::of(KIND, 0)).await.unwrap().items.is_empty());
    assert!(store.list(&List::of("none", 9)).await.unwrap().items.is_empty());
    for wrong in ["", "7", "x~a"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}

pub async fn a_list_is_narrowed_by_all_of_its_facets(place: &Place) {
    let store = place.open().await;
    store
        .project(vec![
            change("a", 1, &[("state", "applied"), ("system", "shop"), ("person", "ada")]),
            change("b", 2, &[("state", "applied"), ("system", "shop"), ("system", "bank")]),
            change("c", 3, &[("state", "proposed"), ("system", "shop"), ("person", "ada")]),
            change("d", 3, &[("state", "applied"), ("system", "bank"), ("person", "ada")]),
            change("e", 0, &[]),
        ])
        .await
        .unwrap();
    assert_eq!(narrowed(&*store, &[("state", "applied")]).await, ["d", "b", "a"]);
    assert_eq!(narrowed(&*store, &[("state", "applied"), ("person", "ada")]).await, ["d", "a"]);
    assert_eq!(narrowed(&*store, &[("system", "shop"), ("system", "bank")]).await, ["b"]);
    assert_eq!(narrowed(&*store, &[("state", "appl")]).await, [""; 0]);
    assert_eq!(narrowed(&*store, &[("person", "ada"), ("state", "failed")]).await, [""; 0]);
}

pub async fn a_projection_that_moves_leaves_nothing_behind(place: &Place) {
    let store = place.open().await;
    let mut pen = Pen::default();
    let mut write = async |changes: Vec<Projection>| {
        let mut submission = pen.next(&["change/a"]);
        submission.projections = changes;
        place.commit(&*store, vec![submission]).await;
    };
    let proposed = [("state", "proposed"), ("system", "shop")];
    write(vec![change("a", 1, &proposed), change("b", 2, &proposed)]).await;
    // Within one batch, and against what is stored; facets, order, or both.
    write(vec![change("a", 1, &[("state", "failed")]), change("a", 1, &[("state", "applied"), ("system", "shop")])])
        .await;
    assert_eq!(narrowed(&*store, &[("state", "proposed")]).await, ["b"]);
    assert_eq!(narrowed(&*store, &[("state", "failed")]).await, [""; 0]);
    write(vec![change("a", 3, &[("state", "applied"), ("system", "shop")])]).await;
    assert_eq!(narrowed(&*store, &[("system", "shop")]).await, ["a", "b"]);
    store.project(vec![change("b", 4, &[("system", "shop")])]).await.unwrap();
    assert_eq!(narrowed(&*store, &[("system", "shop")]).await, ["b", "a"]);
    assert_eq!(narrowed(&*store, &[("state", "proposed")]).await, [""; 0]);
    assert_eq!(all(&*store, List::of(KIND, 1)).await.0, ["b", "a"]);

    // As if the last had been the only ones.
    let fresh = Place::new(place.address);
    let other = fresh.open().await;
    other.project(vec![change("a", 3, &[("state", "applied"), ("system", "shop")])]).await.unwrap();
    other.project(vec![change("b", 4, &[("system", "shop")])]).await.unwrap();
    let projections = |dump: countersign::store::dump::Dump| {
        let part = countersign::store::dump::Part::Projections;
        dump.rows.into_iter().filter(|((of, _), _)| *of == part).collect::<Vec<_>>()
    };
    assert_eq!(projections(dump(&*store).await), projections(dump(&*other).await));
}

pub async fn a_page_looks_at_a_bounded_number_of_candidates(place: &Place) {
    let store = place.open().await;
    let many = 5_000;
    let changes = (0..many).map(|n| {
        let parity = if n % 2 == 0 { "even" } else { "odd" };
        let rare = if n == 17 { "both" } else { parity };
        change(&format!("{n:05}"), n, &[("size", "large"), ("parity", parity), ("pair", rare), ("kind", "any")])
    });
    for some in changes.collect::<Vec<_>>().chunks(1_000) {
        store.project(some.to_vec()).await.unwrap();
    }
    // Two large facets that meet nowhere: the page ends before the end, and says where to go on.
    let filters = [Facet::new("parity", "even"), Facet::new("pair", "odd")];
    let list = List { filters: &filters, ..List::of(KIND, 10) };
    assert_eq!(all(&*store, list.clone()).await.0, [""; 0]);
    let filters = [Facet::new("size", "large"), Facet::new("kind", "none")];
    assert_eq!(all(&*store, List { filters: &filters, ..List::of(KIND, 10) }).await, (vec![], 1), "the rare one leads");
    let filters = [Facet::new("size", "large"), Facet::new("kind", "any"), Facet::new("pair", "both")];
    assert_eq!(all(&*store, List { filters: &filters, ..List::of(KIND, 10) }).await, (vec!["00017".to_owned()], 1));
    let filters = [Facet::new("size", "large"), Facet::new("kind", "any"), Facet::new("parity", "even")];
    let (names, pages) = all(&*store, List { filters: &filters, ..List::of(KIND, 400) }).await;
    assert_eq!((names.len(), pages), (2_500, 7));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 2_500);
    assert!(names.is_sorted_by(|a, b| a > b));
}
