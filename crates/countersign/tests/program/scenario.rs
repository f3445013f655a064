//! Teams as they live it: two homes with a server each, a machine for everybody, four clones, and no folder that two of them
//! share. What goes from one machine to another goes over HTTP, by git over a (played) ssh, or as a file that somebody sends.

mod town;

use self::town::{Town, said};

/// From watching on: a week is seen, one path is enforced, then all; and whoever never cloned reviews and signs, for two logs.
#[test]
fn a_team_watches_enforces_and_signs_without_a_clone() {
    let town = Town::found();
    let (linus, grace, dora) = (&town.linus, &town.grace, &town.dora);
    // Nobody is stopped on the first day, and what would have been is seen.
    let watched = town.shop.install("ada", "--mode watch");
    assert_eq!(watched.status, 0, "{watched}");
    linus.clone_of(&town.shop);
    linus.commit("checkout/timeout", "30\n");
    linus.push(&town.shop, "main").passes();
    let report = town.shop.at_home("gate report shop.git");
    assert!(report.status == 0 && report.stdout.contains("second-pair-of-eyes"), "{report}");
    assert!(report.stdout.contains("grace") && report.stdout.contains("linus"), "on whom it falls: {report}");
    // One path, then all.
    let enforced = town.shop.as_somebody("ada", "gate enforce shop.git --path checkout/** --branch main");
    assert_eq!(enforced.status, 0, "{enforced}");
    linus.commit("search/limit", "20\n");
    linus.push(&town.shop, "main").passes();
    linus.commit("checkout/timeout", "60\n");
    linus.push(&town.shop, "main").is_refused("no change is proposed");
    let enforced = town.shop.as_somebody("ada", "gate enforce shop.git");
    assert_eq!(enforced.status, 0, "{enforced}");
    // Linus proposes what was refused.
    let change = linus.propose(&town.shop, "checkout/production", "main");
    linus.push(&town.shop, "main").is_refused("second-pair-of-eyes");
    // Grace has no clone and works from any folder: one list, one page, one signature.
    let waiting = grace.say("shop", "list --waiting-on me");
    assert!(waiting.status == 0 && waiting.stdout.contains(&change[..12]), "{waiting}");
    let page = grace.say("shop", &format!("review {change}"));
    assert!(page.status == 0 && page.stdout.contains("\n-30\n+60\n"), "{page}");
    let signed = grace.say("shop", &format!("approve {change} --revision 1"));
    assert!(signed.status == 0 && said(&signed).contains("material"), "{signed}");
    linus.push(&town.shop, "main").passes();
    grace.sees("shop", &change, "applied");
    // The other log is another one, on the same machine.
    let installed = town.bank.install("dora", "");
    assert_eq!(installed.status, 0, "{installed}");
    dora.clone_of(&town.bank);
    dora.commit("checkout/timeout", "7\n");
    let other = dora.propose(&town.bank, "checkout/production", "main");
    assert_eq!(grace.say("bank", &format!("approve {other} --revision 1")).status, 0);
    dora.push(&town.bank, "main").passes();
    let unknown = grace.say("shop", &format!("show {other}"));
    assert!(unknown.status != 0, "a change of the bank is none of the shop: {unknown}");
    // Whoever has the evidence and the trust file needs neither server nor clone.
    let bundle = grace.say("shop", &format!("bundle {change} --out change.bundle"));
    assert_eq!(bundle.status, 0, "{bundle}");
    let verified = grace.say("shop", "verify change.bundle --trust shop.trust.json");
    assert!(verified.status == 0 && verified.stdout.contains("verified"), "{verified}");
    let crossed = grace.say("shop", "verify change.bundle --trust bank.trust.json");
    assert_eq!(crossed.status, 1, "{crossed}");
}

/// Two juniors who promote themselves get nowhere: not by proposing and approving for each other, and not by publishing.
#[test]
fn two_juniors_cannot_promote_themselves() {
    let town = Town::found();
    let (linus, mallory) = (&town.linus, &town.mallory);
    linus.is_sent_the_home(&town.shop);
    linus.edits("shop-home/catalog/org.yaml", |text| {
        text.replace(
            "name: linus\n  annotations:\n    countersign/level: standard",
            "name: linus\n  annotations:\n    countersign/level: senior",
        )
    });
    let proposed = linus.say("shop", "amend shop-home --why because-I-can --quiet");
    assert_eq!(proposed.status, 0, "{proposed}");
    let amendment = proposed.stdout.trim();
    // Whoever is to sign reads first what it means.
    let page = town.ada.say("shop", &format!("review {amendment}"));
    assert!(page.status == 0 && page.stdout.contains("linus"), "{page}");
    drop(mallory.say("shop", &format!("approve {amendment}")));
    for machine in [linus, mallory] {
        let published = machine.say("shop", &format!("publish {amendment}"));
        assert!(published.status == 3 && said(&published).contains("policy"), "{published}");
    }
    let shown = town.ada.say("shop", &format!("--format json show {amendment}"));
    assert_eq!(shown.json()["decision"]["outcome"], "deny", "{shown}");
}
