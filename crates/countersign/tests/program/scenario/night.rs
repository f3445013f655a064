//! One night and the day after: nobody who usually decides is there.

use super::town::{Machine, Town, said};

/// The finding that asks somebody to look at something, by what it says.
fn finding(machine: &Machine, words: &str) -> String {
    let open = machine.say("shop", "--format json findings --open").json();
    let all = open.as_array().unwrap();
    let found = all.iter().find(|finding| finding.to_string().contains(words));
    found.unwrap_or_else(|| panic!("{words}: {open}"))["id"].as_str().unwrap().to_owned()
}

fn lands(town: &Town, target: &str, path: &str, text: &str, approvers: &[&Machine]) -> String {
    town.linus.pulls();
    town.linus.commit(path, text);
    let change = town.linus.propose(&town.shop, target, "main");
    for approver in approvers {
        let signed = approver.say("shop", &format!("approve {change}"));
        assert_eq!(signed.status, 0, "{signed}");
    }
    town.linus.push(&town.shop, "main").passes();
    town.linus.sees("shop", &change, "applied");
    change
}

#[test]
fn one_night_and_the_day_after() {
    let mut town = Town::found();
    assert_eq!(town.shop.install("ada", "").status, 0);
    for machine in [&town.linus, &town.mallory] {
        machine.clone_of(&town.shop);
    }
    lands(&town, "checkout/production", "checkout/timeout", "30\n", &[&town.grace]);
    let bad = lands(&town, "checkout/production", "checkout/timeout", "0\n", &[&town.grace]);
    // Ada goes on holiday.
    let back: String = countersign::clock::now().plus_secs(7 * 24 * 60 * 60).to_string().chars().take(10).collect();
    let away = town.ada.say("shop", &format!("away --until {back}"));
    assert_eq!(away.status, 0, "{away}");
    // Three in the morning. Grace sleeps; linus owns it, and is alone.
    town.later(12);
    let rolled = town.linus.say("shop", "rollback checkout/production --git work --why every-order-fails");
    assert!(rolled.status == 0 && said(&rolled).contains(&bad[..12]), "{rolled}");
    town.linus.pulls();
    assert_eq!(town.linus.reads("checkout/timeout"), "30\n");
    // Nine in the morning: it stands in grace's list, and who did it alone does not answer.
    town.later(18);
    let waiting = town.grace.say("shop", "");
    assert!(waiting.stdout.contains("rolled checkout/production back"), "{waiting}");
    let found = finding(&town.grace, "rolled checkout/production back");
    let own = town.linus.say("shop", &format!("review {found} --answer fine"));
    assert_eq!(own.status, 3, "{own}");
    let answered = town.grace.say("shop", &format!("review {found} --answer as-it-was-before"));
    assert_eq!(answered.status, 0, "{answered}");
    // She freezes all of it on her one signature: what is approved waits, and only the fix goes.
    let freeze = "--format json freeze --all --for 6h --why every-order-fails --may-pass incident";
    let frozen = town.grace.say("shop", freeze);
    assert_eq!(frozen.status, 0, "{frozen}");
    town.linus.commit("search/limit", "15\n");
    let waits = town.linus.propose(&town.shop, "search/production", "main");
    assert_eq!(town.mallory.say("shop", &format!("approve {waits}")).status, 0);
    town.linus.push(&town.shop, "main").is_refused("frozen");
    town.linus.drops();
    town.linus.commit("checkout/timeout", "31\n");
    let documents =
        ["--rollback", "git revert, then push again", "--tests", "load test 4712", "--incident", "INC-4711"];
    let fix = town.linus.propose_with(&town.shop, "checkout/production", "main", &documents);
    // Whoever is away signs nothing that counts.
    let absent = town.ada.say("shop", &format!("approve {fix}"));
    assert!(absent.status != 0 && said(&absent).contains("away"), "{absent}");
    assert_eq!(town.grace.say("shop", &format!("approve {fix}")).status, 0);
    town.linus.push(&town.shop, "main").passes();
    town.linus.sees("shop", &fix, "applied");
    let freeze = frozen.json()["freeze"].as_str().unwrap().to_owned();
    let listed = town.grace.say("shop", &format!("freezes {freeze}"));
    assert!(listed.stdout.contains(&fix[..12]), "{listed}");
    assert_eq!(town.grace.say("shop", &format!("lift {freeze}")).status, 0);
    // The server dies, and tier 1 burns: two people open its gate, one does not, and nobody else does.
    town.linus.commit("payments/retries", "9\n");
    town.mallory.pulls();
    town.mallory.is_sent_the_commits_of(&town.linus);
    town.shop.goes_down();
    let refused = town.linus.push(&town.shop, "main");
    refused.is_refused("2 people who own payments/production or are seniors open it");
    let told = refused.told();
    let at = told.split_once("--at ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap();
    let break_glass = |machine: &Machine, words: &str| machine.say("shop", &format!("break-glass --git work {words}"));
    let first = break_glass(&town.linus, &format!("--at {at} --why orders-fail --incident INC-4711 --out glass.json"));
    assert_eq!(first.status, 0, "{first}");
    town.linus.push_with(&town.shop, "main", "glass.json").is_refused("glass-people");
    town.mallory.is_sent(&town.linus, "glass.json", "glass.json");
    let second = break_glass(&town.mallory, "--cosign glass.json");
    assert_eq!(second.status, 0, "{second}");
    town.linus.is_sent(&town.mallory, "glass.json", "glass.json");
    town.linus.push_with(&town.shop, "main", "glass.json").passes();
    // Next day the log has all of it, whoever did not sign looks at it, and it verifies.
    town.shop.comes_back();
    town.later(42);
    town.linus.pulls();
    lands(&town, "search/production", "search/limit", "20\n", &[&town.mallory]);
    let found = finding(&town.grace, "broke the glass");
    let answered = town.grace.say("shop", &format!("review {found} --answer it-was-the-mend"));
    assert_eq!(answered.status, 0, "{answered}");
    let open = town.grace.say("shop", "findings --open");
    assert!(open.stdout.contains("nothing to answer"), "{open}");
    assert_eq!(town.shop.at_home("export --home home copy").status, 0);
    let verified = town.shop.at_home("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}
