//! Gates that are cut off from the log where cosigners are asked: what they decide alone, and what a bundle tells them.

use super::*;

/// What was proposed and approved where the log is, while the gate was cut off from it.
struct Outage {
    world: World,
    change: String,
    _cosigner: Cosigner,
}

/// A repository behind a gate that asks one cosigner.
fn guarded() -> (World, Cosigner) {
    let one = free_address();
    let world = World::new(&[&one]);
    let mut first = world.cosigner("one", &one, &world.url());
    world.trust("trust.json", 1, &mut [&mut first]);
    world.repository("trust.json");
    (world, first)
}

impl Outage {
    fn new() -> Self {
        let (world, first) = guarded();
        world.until_cosigned("trust.json");
        world.gate_must(&["gate", "sync", "shop.git"]);
        world.commit("8");
        let change = world.approved();
        cut_off(&world);
        Self { world, change, _cosigner: first }
    }

    /// The change's bundle, with a permit for the gate.
    fn bundle(&self, name: &str) {
        self.world.must(&["--key", "ada", "permit", &self.change, "--out", "permit"]);
        self.bundle_as_it_is(name);
    }

    fn bundle_as_it_is(&self, name: &str) {
        self.world.until_cosigned("trust.json");
        self.world.must(&["bundle", &self.change, "--out", name]);
    }

    fn hand_over(&self, name: &str) -> Run {
        self.world.stage.run(&format!("--format json gate sync shop.git --bundle {name}"))
    }

    #[track_caller]
    fn is_not_taken(&self, name: &str, code: &str) {
        let run = self.hand_over(name);
        assert_ne!(run.status, 0, "{run}");
        assert!(run.stderr.contains(&format!("\"code\":\"{code}\"")), "{run}");
    }
}

/// The gate alone: everybody else reaches the log.
fn cut_off(world: &World) {
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace(&world.address, "127.0.0.1:1")).unwrap();
}

fn reaches_again(world: &World) {
    let path = world.stage.path("shop.git/countersign/gate.yaml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("127.0.0.1:1", &world.address)).unwrap();
}

#[test]
fn what_was_approved_since_reaches_a_gate_in_an_outage_by_a_bundle_that_followers_cosigned() {
    let outage = Outage::new();
    let world = &outage.world;
    let said = world.is_refused("server-unreachable");
    assert!(said.contains("[no-change]") && said.contains("gate sync REPO --bundle FILE"), "{said}");
    // Approved is not enough: without a permit for this gate nothing says what stood before.
    outage.bundle_as_it_is("early.bundle");
    outage.is_not_taken("early.bundle", "bundle-incomplete");
    outage.bundle("change.bundle");
    let taken = outage.hand_over("change.bundle");
    assert_eq!(taken.status, 0, "{taken}");
    let output = world.git_output("work", &["push", "origin", "main"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("by a bundle that followers vouched for"), "{said}");
    // Another beside it, which the log judges without knowing of the first, and the gate with.
    world.commit("9");
    let next = Outage { change: world.approved(), world: outage.world, _cosigner: outage._cosigner };
    next.bundle("next.bundle");
    let taken = next.hand_over("next.bundle");
    assert_eq!(taken.status, 0, "{taken}");
    assert_eq!(next.world.push(), None);
    let world = &next.world;
    // Once.
    world.git("work", &["revert", "--no-edit", "HEAD"]);
    world.is_refused("server-unreachable");
    reaches_again(world);
    world.gate_must(&["gate", "sync", "shop.git"]);
    for change in [&outage.change, &next.change] {
        assert_eq!(world.must(&["show", change]).json()["state"], "applied");
    }
    assert_eq!(world.must(&["findings", "--open"]).json(), serde_json::json!([]));
    // The log says more than any of them.
    assert!(fs::read_dir(world.stage.path("shop.git/countersign/bundles")).unwrap().next().is_none());
    let exported = world.run(&["export", "--home", "home", "copy"]);
    assert_eq!(exported.status, 0, "{exported}");
    let verified = world.stage.run("verify copy --trust home/trust.json");
    assert_eq!(verified.status, 0, "{verified}");
}

/// Who brings a bundle has it say no more than the log did: nothing left out, under a quorum, young, and newer than what the gate knows.
#[test]
fn a_bundle_that_hides_a_stop_opens_no_gate_in_an_outage() {
    let outage = Outage::new();
    let world = &outage.world;
    outage.bundle("before.bundle");
    world.must(&["--key", "grace", "reject", &outage.change, "--why", "not on a Friday"]);
    let size = world.until_cosigned("trust.json");
    outage.bundle_as_it_is("after.bundle");
    // Left out.
    let bytes = fs::read(world.stage.path("after.bundle")).unwrap();
    let mut without = Bundle::from_tar(Path::new("after.bundle"), &bytes).unwrap();
    without.evidence.leaves.remove(&(size - 1)).unwrap();
    without.evidence.proofs.remove(&(size - 1)).unwrap();
    fs::write(world.stage.path("without.bundle"), without.to_tar().unwrap()).unwrap();
    outage.is_not_taken("without.bundle", "bundle-incomplete");
    // As it is, it counts: also beside one that was taken earlier, and that cannot be brought again.
    assert_eq!(outage.hand_over("before.bundle").status, 0);
    outage.is_not_taken("after.bundle", "log-moved");
    outage.is_not_taken("before.bundle", "bundle-older");
    let said = world.is_refused("server-unreachable");
    assert!(said.contains("[log-moved]"), "{said}");
}

/// The copy has it approved as it was; the bundle says that something else took its place.
#[test]
fn a_revision_that_a_bundle_says_was_replaced_lands_by_no_copy_in_an_outage() {
    let outage = Outage::new();
    let world = &outage.world;
    // As if the gate had followed until the first was approved.
    reaches_again(world);
    world.until_cosigned("trust.json");
    world.gate_must(&["gate", "sync", "shop.git"]);
    cut_off(world);
    world.git("work", &["branch", "--quiet", "replaced"]);
    world.git("work", &["reset", "--quiet", "--hard", "HEAD~1"]);
    world.commit("9");
    let range = ["--git", "work", "--repository", "shop", "--branch", "main", "--range", "origin/main..HEAD"];
    world.must(&[&["--key", "ada", "revise", &outage.change][..], &range].concat());
    world.must(&["--key", "grace", "approve", &outage.change, "--git", "work"]);
    outage.bundle("change.bundle");
    assert_eq!(outage.hand_over("change.bundle").status, 0);
    let push = |what: &str| world.git_output("work", &["push", "--quiet", "origin", what]);
    assert!(!push("replaced:main").status.success());
    assert!(push("main:main").status.success());
}

#[test]
fn a_bundle_without_a_quorum_or_too_old_opens_no_gate_in_an_outage() {
    let outage = Outage::new();
    let world = &outage.world;
    outage.bundle("change.bundle");
    let trust = world.stage.path("shop.git/countersign/trust.json");
    let pinned = fs::read_to_string(&trust).unwrap();
    fs::copy(world.stage.path("home/trust.json"), &trust).unwrap();
    outage.is_not_taken("change.bundle", "no-cosigners");
    fs::write(&trust, pinned).unwrap();
    world.stage.is_ahead(9 * 3_600);
    outage.is_not_taken("change.bundle", "bundle-too-old");
    world.stage.is_ahead(0);
    // It remembers the latest moment that it knew of.
    outage.is_not_taken("change.bundle", "bundle-too-old");
}

/// A stop that was handed to the gate takes away what a bundle brings, and on tier 1 none brings anything.
#[test]
fn a_stop_that_a_gate_was_handed_counts_over_a_bundle() {
    let outage = Outage::new();
    let world = &outage.world;
    outage.bundle("change.bundle");
    assert_eq!(outage.hand_over("change.bundle").status, 0);
    let trust = "trust outage shop.git/countersign/trust.json --tier-2 0 --others 0";
    assert_eq!(world.stage.run(trust).status, 0);
    let said = world.is_refused("server-unreachable");
    assert!(said.contains("[not-alone]"), "{said}");
    assert_eq!(world.stage.run("trust outage shop.git/countersign/trust.json").status, 0);
    world.until_cosigned("trust.json");
    let reject =
        ["--key", "grace", "--trust", "trust.json", "reject", &outage.change, "--why", "no", "--copy", "looker"];
    let kept = world.must(&reject).json()["file"].as_str().unwrap().to_owned();
    let handed = world.stage.run(&format!("gate stop shop.git --statement {kept}"));
    assert_eq!(handed.status, 0, "{handed}");
    let said = world.is_refused("server-unreachable");
    assert!(said.contains("[denied-by-rules]") || said.contains("[stop-unclear]"), "{said}");
}

/// Where cosigners are named it is their time that counts, and not when the gate says that it followed.
#[test]
fn a_gate_with_cosigners_decides_alone_as_long_as_they_vouched_lately() {
    let (mut world, mut first) = guarded();
    world.commit("8");
    world.approved();
    world.until_cosigned("trust.json");
    world.gate_must(&["gate", "sync", "shop.git"]);
    // The followers are gone, and the gate goes on following what the server shows: for hours.
    first.stop();
    world.stage.is_ahead(9 * 3_600);
    world.gate_must(&["gate", "sync", "shop.git"]);
    world.server = None;
    let said = world.is_refused("server-unreachable");
    assert!(said.contains("[copy-too-old]") && said.contains("`one.example/f` of `one`"), "{said}");
}

#[test]
fn a_gate_with_cosigners_that_are_fresh_decides_alone() {
    let (mut world, _cosigner) = guarded();
    world.commit("8");
    let change = world.approved();
    world.until_cosigned("trust.json");
    world.gate_must(&["gate", "sync", "shop.git"]);
    world.server = None;
    let output = world.git_output("work", &["push", "origin", "main"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("decided alone, by what this gate knew"), "{said}");
    world.serve();
    world.gate_must(&["gate", "sync", "shop.git"]);
    assert_eq!(world.must(&["show", &change]).json()["state"], "applied");
}
