//! After a recovery: the quorum holds every key that it gave, so that somebody else looks at it.

use countersign_core::{
    ids::FindingId,
    refusal::Refusal,
    state::Recovered,
    statement::{Finding, FindingAnswer, Matter},
};

use super::*;

fn recovery(world: &World, of: &str) -> Recovered {
    world.state.person(&id(of)).unwrap().unwrap().recovered[0].clone()
}

fn found(world: &World, of: &Recovered, who: &[&str]) -> Body {
    let Recovered { by, of, recovery, .. } = of.clone();
    let what = Matter::KeysRecovered { by, of, recovery };
    let who = who.iter().map(|name| id(name)).collect();
    Body::Finding(Finding { apart: [].into(), due: world.now.plus_secs(3_600), text: None, what, who })
}

fn answer(world: &mut World, by: &str, keys: &[&str], finding: &FindingId) -> Result<Digest, Refusal> {
    let text = world.reason("called all of them");
    let what = world.state.finding(finding).unwrap().unwrap().what.clone();
    world.say_with(by, keys, Body::FindingAnswer(FindingAnswer { finding: finding.clone(), seen: None, text, what }))
}

#[test]
fn who_recovered_does_not_look_at_it_where_anybody_else_is_there() {
    let mut world = World::new();
    world.spare("mallory-2");
    world.recover("ada", &["ada", "grace"], &[("mallory", "mallory-2")]).unwrap();
    let known = recovery(&world, "mallory");
    assert_eq!((known.by.clone(), known.of.clone()), ([id("ada"), id("grace")].into(), [id("mallory")].into()));
    for who in [&["ada"][..], &["barbara", "grace"], &["mallory"]] {
        let asked = found(&world, &known, who);
        let refused = told(world.say("countersign", asked));
        assert!(refused.starts_with("your-own-act"), "{refused}");
    }
    let others = [
        Recovered { by: [id("ada")].into(), ..known.clone() },
        Recovered { of: [id("linus"), id("mallory")].into(), ..known.clone() },
        Recovered { recovery: Digest::of("another"), ..known.clone() },
    ];
    for other in others {
        let said = found(&world, &other, &["barbara"]);
        assert!(told(world.say("countersign", said)).starts_with("not-recovered"), "{other:?}");
    }
    let late = Body::Finding(Finding {
        due: world.now.plus_secs(4 * 24 * 60 * 60),
        ..match found(&world, &known, &["barbara"]) {
            Body::Finding(finding) => finding,
            _ => unreachable!(),
        }
    });
    assert_snapshot!(told(world.say("countersign", late)), @"finding-due: what somebody did alone is looked at within 72 hours");
    let asked = found(&world, &known, &["barbara"]);
    let finding = FindingId::of_finding(&world.say("countersign", asked.clone()).unwrap());
    assert_snapshot!(world.state.finding(&finding).unwrap().unwrap().what.words(), @"ada and grace recovered the log and gave mallory a new key, and somebody else looks at it afterwards");
    assert!(told(world.say("countersign", asked)).starts_with("not-recovered"));
    // However late it gets, also not by escalation.
    for secs in [0, 7_200, 40 * 24 * 60 * 60] {
        world.now = world.now.plus_secs(secs);
        for (by, key) in [("ada", "ada"), ("grace", "grace"), ("mallory", "mallory-2")] {
            let refused = told(answer(&mut world, by, &[key], &finding));
            assert!(refused.starts_with("your-own-act"), "{by}: {refused}");
        }
    }
    answer(&mut world, "barbara", &["barbara"], &finding).unwrap();
    assert!(world.replayed().is_ok());
}

#[test]
fn everybody_who_got_a_key_remembers_all_of_a_recovery_until_somebody_was_asked() {
    let mut world = World::new();
    for name in ["linus-2", "mallory-2"] {
        world.spare(name);
    }
    let at = world.recover("ada", &["ada", "grace"], &[("linus", "linus-2"), ("mallory", "mallory-2")]).unwrap();
    assert_eq!(recovery(&world, "linus"), recovery(&world, "mallory"));
    assert_eq!(recovery(&world, "linus").recovery, at);
    let said = found(&world, &recovery(&world, "linus"), &["barbara"]);
    world.say("countersign", said).unwrap();
    for name in ["linus", "mallory"] {
        assert_eq!(world.state.person(&id(name)).unwrap().unwrap().recovered, []);
    }
}
