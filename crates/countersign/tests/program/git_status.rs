//! `countersign gate status`: where whoever is called looks first.

use std::fs;

use crate::{
    lying::{Liar, Log},
    world::World,
};

#[test]
fn the_status_of_a_gate_tells_what_a_log_was_caught_at() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 0, "{status}");
    assert!(
        status.stdout.contains("followed to 2 leaves, 0 s ago") || status.stdout.contains(" s ago, root"),
        "{status}"
    );
    let older = Liar::shows(&world, Log::of(&world).first(1));
    world.tell_the_gate(&older.url);
    world.push(&["HEAD:main"]).is_refused("log-went-back");
    world.tell_the_gate(&world.server().url);
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 3, "{status}");
    assert!(status.stdout.contains("it had 2 leaves and is shown with 1; the proof is "), "{status}");
    let told = world.stage.run("gate status shop.git --format json").json();
    let proof = told["proofs"][0]["folder"].as_str().unwrap();
    assert!(proof.contains("proof/log-went-back-"), "{proof}");
    assert!(told["problems"][0].as_str().unwrap().contains(proof), "{told}");
    // Settled, and moved away.
    fs::rename(world.stage.path(proof), world.stage.path("settled")).unwrap();
    assert_eq!(world.stage.run("gate status shop.git").status, 0);
}

#[test]
fn the_status_of_a_gate_names_targets_that_the_catalog_does_not_have() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("checkout/production", "chekout/production")).unwrap();
    let status = world.stage.run("gate status shop.git");
    assert_eq!(status.status, 3, "{status}");
    assert!(status.stdout.contains("gate.yaml maps paths to chekout/production"), "{status}");
    // And none can be installed.
    let run = world.install("--replace --map infra/**=infra/production");
    assert!(run.status != 0 && run.stderr.contains("infra"), "{run}");
}

#[test]
fn hints_about_a_gate_are_about_the_gate() {
    let world = World::usual();
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}listen: here\n")).unwrap();
    let status = world.stage.run("gate status shop.git");
    assert!(
        status.stderr.contains("`branches: [{branch: refs/heads/NAME") && !status.stderr.contains("origin"),
        "{status}"
    );
    let status = world.stage.run_words(&["gate", "status", "no such"]);
    assert!(status.stderr.contains("there is no folder `no such`"), "{status}");
    fs::write(&path, text).unwrap();
    let run = world.stage.run("gate stop shop.git --statement home/trust.json");
    assert!(
        run.stderr.contains("the file that `countersign reject`, `countersign freeze` or `countersign revoke` kept"),
        "{run}"
    );
}

#[test]
fn the_status_of_a_gate_says_which_versions_meet_there() {
    let world = World::usual();
    world.edit("change", "checkout/timeout", "30\n");
    world.push(&["HEAD:main"]).is_refused("no-change");
    let told = || world.stage.run("gate status shop.git --format json").json()["versions"].clone();
    let versions = told();
    assert_eq!(versions["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&versions["hooks_program"], &versions["semantics"]), (&versions["program"], &1.into()), "{versions}");
    assert_eq!(versions["knows_semantics"], 1);
    // The hooks run the program of the release before.
    let older = world.stage.write("older/countersign", "#!/bin/sh\necho 'countersign 0.0.9'\n");
    fs::set_permissions(&older, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let hook = world.stage.path("shop.git/hooks/pre-receive");
    let text = fs::read_to_string(&hook).unwrap();
    fs::write(&hook, text.replace(env!("CARGO_BIN_EXE_countersign"), &older.display().to_string())).unwrap();
    assert_eq!(told()["hooks_program"], "0.0.9");
    let status = world.stage.run("gate status shop.git");
    assert!(status.stdout.contains("hooks run 0.0.9, this program is "), "{status}");
}
