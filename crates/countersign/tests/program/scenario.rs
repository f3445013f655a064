//! Teams as they live it: two homes with a server each, a machine for everybody, four clones, and no folder that two of them
//! share. What goes from one machine to another goes over HTTP, by git over a (played) ssh, or as a file that somebody sends.

mod night;
mod town;

use self::town::{Machine, Town, said};

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

/// A rule that stops less: two of the policy group, a day in which anybody can object, and what it would have let through.
#[test]
fn a_rule_is_loosened_waits_and_is_listed() {
    let mut town = Town::found();
    assert_eq!(town.shop.install("ada", "").status, 0);
    town.linus.clone_of(&town.shop);
    town.linus.commit("checkout/timeout", "60\n");
    let change = town.linus.propose_with(&town.shop, "checkout/production", "main", &[]);
    assert_eq!(town.grace.say("shop", &format!("approve {change}")).status, 0);
    town.linus.push(&town.shop, "main").is_refused("documented");
    town.ada.is_sent_the_home(&town.shop);
    town.ada.edits("shop-home/rules/documented.cedar", |text| text.replace("@mode(\"enforce\")", "@mode(\"watch\")"));
    let proposed = town.ada.say("shop", "amend shop-home --why it-stops-nothing --quiet");
    assert_eq!(proposed.status, 0, "{proposed}");
    let amendment = proposed.stdout.trim();
    let page = town.grace.say("shop", &format!("review {amendment}"));
    for words in [
        "loosens: rule documented stops nothing any more: it is only watched",
        "of 1 change decided lately, 1 that the rules in force deny would have passed",
        &change[..12],
    ] {
        assert!(page.stdout.contains(words), "{words}: {page}");
    }
    let signed = town.grace.say("shop", &format!("approve {amendment} --publish"));
    assert!(signed.stdout.contains("in which anybody can still reject it"), "{signed}");
    // It is listed for everybody, and nobody puts it in force before.
    let list = town.linus.say("shop", "list --state proposed");
    assert!(list.stdout.contains(&amendment[..12]), "{list}");
    let early = town.ada.say("shop", &format!("publish {amendment}"));
    assert!(early.status == 3 && early.stderr.contains("loosening"), "{early}");
    town.linus.push(&town.shop, "main").is_refused("documented");
    town.later(25);
    let published = town.linus.say("shop", &format!("publish {amendment}"));
    assert!(published.status == 0 && published.stdout.contains(&change[..12]), "{published}");
    // What it would have let through, it lets through now.
    town.linus.push(&town.shop, "main").passes();
    town.linus.sees("shop", &change, "applied");
}

/// Of four people two have left and two were robbed: the founders' keys from the safe give them new ones, and the team goes on.
#[test]
fn a_lost_quorum_recovers() {
    let mut town = Town::found();
    // The founders keep the keys that genesis pins in a safe, and work with others.
    town.ada.is_sent_the_home(&town.shop);
    for machine in [&town.ada, &town.grace] {
        let (pinned, working) = (machine.public("key"), machine.makes("laptop"));
        town.ada.edits("shop-home/catalog/org.yaml", |text| text.replace(&pinned, &working));
    }
    let proposed = town.ada.say("shop", "amend shop-home --why keys-for-the-safe --quiet");
    assert_eq!(proposed.status, 0, "{proposed}");
    let amendment = proposed.stdout.trim();
    assert_eq!(town.grace.say("shop", &format!("approve {amendment}")).status, 0);
    town.later(25);
    let published = town.grace.say("shop", &format!("publish {amendment}"));
    assert_eq!(published.status, 0, "{published}");
    for (machine, key) in [(&town.linus, "key"), (&town.mallory, "key"), (&town.ada, "laptop"), (&town.grace, "laptop")]
    {
        let revoke = format!("--key {key} revoke {} --why it-is-gone", machine.fingerprint(key));
        assert_eq!(machine.say("shop", &revoke).status, 0, "{}", machine.fingerprint(key));
    }
    let stuck = town.ada.say("shop", "--key laptop amend shop-home --why anything");
    assert!(stuck.status != 0, "{stuck}");
    let recover = |machine: &Machine, words: &str| machine.say("shop", &format!("recover {words}"));
    for machine in [&town.ada, &town.grace] {
        machine.makes("new");
    }
    town.ada.is_sent(&town.grace, "new.pub", "grace.pub");
    let words = "--person ada --new-key new.pub --person grace --new-key grace.pub --why both-laptops-were-stolen";
    let first = recover(&town.ada, &format!("{words} --out recovery.json"));
    assert!(first.status == 0, "{first}");
    town.grace.is_sent(&town.ada, "recovery.json", "recovery.json");
    let shown = recover(&town.grace, "--show recovery.json");
    assert!(shown.stdout.contains("both-laptops-were-stolen"), "{shown}");
    let recovered = recover(&town.grace, "--cosign recovery.json");
    assert_eq!(recovered.status, 0, "{recovered}");
    for machine in [&town.ada, &town.grace] {
        let who = machine.say("shop", "--key new whoami");
        assert_eq!(who.status, 0, "{who}");
    }
    // They can govern again, and whoever verifies follows all of it.
    town.ada.edits("shop-home/rules/documented.cedar", |text| {
        text.replace("finds why it was made", "sees why it was made")
    });
    let proposed = town.ada.say("shop", "--key new amend shop-home --why clearer --quiet");
    assert_eq!(proposed.status, 0, "{proposed}");
    let published = town.grace.say("shop", &format!("--key new approve {} --publish", proposed.stdout.trim()));
    assert_eq!(published.status, 0, "{published}");
    let exported = town.shop.at_home("export --home home copy");
    assert_eq!(exported.status, 0, "{exported}");
    let verified = town.shop.at_home("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}
