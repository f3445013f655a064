//! A server that was taken over, with its keys and its disk, before everybody who reads the log: a git gate, through real
//! pushes and hooks; a person's command line; a follower; and an auditor with a copy of the log in files. None of them
//! believes it: nothing lands, nothing is signed, and what a log is caught at is kept as proof, both sides of it.
//!
//! Logs that were changed are here, what a server keeps to itself in [`hidden`].

mod hidden;

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::statement::{Body, Disclosure};
use countersign_ledger::{
    Digest, Envelope, Leaf,
    checkpoint::{Checkpoint, open},
};
use serde_json::Value;

use crate::{
    lying::{Liar, Log},
    support::Run,
    world::World,
};

const CHECKOUT: &str = "checkout/production";

/// A change that bob approved and that is ready to be pushed, in a log that everybody has read up to there.
struct Scene {
    world: World,
    change: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::usual();
        world.edit("change", "checkout/timeout", "30\n");
        let change = world.propose("alice", &[CHECKOUT]);
        let scene = Self { world, change };
        scene.gate_reads();
        scene.world.approve("bob", &scene.change);
        scene
    }

    /// Has the gate follow the log: it does so before it refuses a push that nobody proposed.
    fn gate_reads(&self) {
        self.world.git(&["checkout", "--quiet", "-B", "other", "origin/main"]);
        self.world.write("search/other", "x\n");
        self.world.commit("nobody proposed this");
        self.world.push(&["other:main"]).is_refused("no-change");
        self.world.git(&["checkout", "--quiet", "change"]);
    }

    fn url(&self) -> String {
        self.world.server().url.clone()
    }

    /// Rejects the change as carol, so that it must not land.
    fn reject(&self) {
        let run = self.world.say("carol", &["reject", &self.change, "--why", "not in the sale week"]);
        assert_eq!(run.status, 0, "{run}");
    }

    /// Shows the log to all readers through a server that was taken over; each refuses it with this code.
    #[track_caller]
    fn all_refuse(&self, log: &Log, code: &str) {
        let liar = Liar::shows(&self.world, log.clone());
        self.gate_refuses(&liar.url, code);
        self.follower_refuses("newcomer", &liar.url, code);
        let run = self.verify(log);
        assert_eq!((run.status, &run.json()["holds"]), (1, &false.into()), "{run}");
    }

    /// The push of the change is refused, nothing lands, and the proof is kept.
    #[track_caller]
    fn gate_refuses(&self, url: &str, code: &str) -> Proof {
        self.world.tell_the_gate(url);
        let before = self.world.tip("main");
        self.world.push(&["change:main"]).is_refused(code);
        assert_eq!(self.world.tip("main"), before, "it landed");
        self.world.tell_the_gate(&self.url());
        let status = self.world.stage.run("gate status shop.git --format json").json();
        let kept = self.kept(status["copy"].as_str().unwrap(), code);
        assert!(kept.seen.is_some(), "the gate had read the log before");
        kept
    }

    /// Follows the log once, by command.
    fn follow(&self, into: &str, url: &str) -> Run {
        let words = format!("--url {url} --trust home/trust.json --format json follow --into {into} --once");
        // On a machine of its own: what others have seen it does not know.
        self.world.stage.run_on(&format!("machine-of-{into}"), &words.split(' ').collect::<Vec<_>>())
    }

    #[track_caller]
    fn follows(&self, into: &str, url: &str) {
        let run = self.follow(into, url);
        assert_eq!(run.status, 0, "{run}");
    }

    #[track_caller]
    fn follower_refuses(&self, into: &str, url: &str, code: &str) -> Proof {
        let run = self.follow(into, url);
        assert_eq!(run.status, 3, "{run}");
        assert_eq!(run.json()["caught"], code, "{run}");
        self.kept(into, code)
    }

    /// A person's command line, which looks at the change before it signs anything.
    #[track_caller]
    fn person_refuses(&self, who: &str, url: &str, code: &str) -> String {
        let mut said = String::new();
        for command in [vec!["show", &self.change], vec!["approve", &self.change]] {
            let run = self.world.say_to(url, who, &command);
            assert_ne!(run.status, 0, "{run}");
            let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
            assert_eq!(error["error"]["code"], code, "{run}");
            said = error["error"]["message"].as_str().unwrap().to_owned();
        }
        said
    }

    /// Verifies a copy of the log in files, as an auditor does.
    fn verify(&self, log: &Log) -> Run {
        let folder = self.world.stage.path("export");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        log.export(&folder);
        self.world.stage.run("--trust home/trust.json --format json verify export")
    }

    /// The newest proof that a copy has of this.
    #[track_caller]
    fn kept(&self, copy: &str, code: &str) -> Proof {
        let folder = self.world.stage.path(copy).join("proof");
        let proofs = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let of_this = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{code}-"));
        let newest = proofs.filter(of_this).max_by_key(|path| path.metadata().unwrap().modified().unwrap());
        let newest = newest.unwrap_or_else(|| panic!("no proof of {code} in {}", folder.display()));
        let trust: Value = serde_json::from_str(&self.world.stage.read("home/trust.json")).unwrap();
        let signed = |name: &str| {
            let note = fs::read_to_string(newest.join(name)).ok()?;
            // The log's own key is under both.
            Some(open(&note, trust["log_key"].as_str().unwrap()).unwrap())
        };
        Proof {
            seen: signed("seen"),
            shown: signed("shown").unwrap(),
            leaf: fs::read(newest.join("leaf-0")).ok().map(|bytes| Leaf::parse(&bytes).unwrap()),
        }
    }
}

/// What a reader keeps: both checkpoints, and the leaf that should not be there.
struct Proof {
    seen: Option<Checkpoint>,
    shown: Checkpoint,
    leaf: Option<Leaf>,
}

#[test]
fn a_relabelled_rejection_is_refused_by_every_reader() {
    let mut scene = Scene::new();
    scene.reject();
    let log = Log::of(&scene.world);
    let rejection = log.last("rejection");
    // Where nobody who asks about the change would look; and where they do.
    for stream in [format!("change/{}", "f".repeat(32)), "person/bob".to_owned()] {
        let lying = log.clone().relabelled(rejection, &[&stream]);
        scene.all_refuse(&lying, "mislabelled");
        let proof = scene.kept("newcomer", "mislabelled");
        assert_eq!(proof.leaf.unwrap().envelope.raw(), log.leaves[rejection].envelope.raw());
        assert_eq!(scene.verify(&lying).json()["first_broken"], rejection);
        fs::remove_dir_all(scene.world.stage.path("newcomer")).unwrap();
    }
    // A bundle with bob's stream has the leaf, so that a person sees it there.
    let liar = Liar::shows(&scene.world, log.relabelled(rejection, &["person/bob"]));
    scene.world.machine = "elsewhere".to_owned();
    let said = scene.person_refuses("dave", &liar.url, "bundle-broken");
    assert!(said.contains("but the leaf's header says person/bob"), "{said}");
}

/// The same, played by an unmodified server over an edited store.
#[test]
fn an_unmodified_server_over_a_relabelled_store_opens_no_gate() {
    let mut scene = Scene::new();
    scene.reject();
    let log = Log::of(&scene.world);
    let rejection = log.last("rejection");
    let address = log.relabelled(rejection, &["person/dave"]).store(&scene.world, "edited.db");
    scene.world.start_server(&address);
    let before = scene.world.tip("main");
    scene.world.push(&["change:main"]).is_refused("mislabelled");
    assert_eq!(scene.world.tip("main"), before);
}

#[test]
fn a_forked_stream_is_refused_by_every_reader() {
    let scene = Scene::new();
    let before = Log::of(&scene.world);
    scene.reject();
    let mut log = Log::of(&scene.world);
    // Something that alice says of the change, filed behind the approval as if there were no rejection.
    let said = scene.world.voice("alice").sign(disclosure(&log));
    log.fork(said, &before);
    scene.all_refuse(&log, "stream-broken");
    let liar = Liar::shows(&scene.world, log);
    let said = scene.person_refuses("dave", &liar.url, "bundle-broken");
    assert!(said.contains("does not follow the one before it"), "{said}");
}

/// That no AI assisted with the change that was approved last.
fn disclosure(log: &Log) -> Body {
    let Body::Approval(approval) = log.statement(log.last("approval")).body else { panic!("no approval") };
    Body::Disclosure(Disclosure {
        change: approval.change,
        guidance: [].into(),
        prompted_by: [].into(),
        revision: approval.revision,
        tools: [].into(),
    })
}

#[test]
fn leaves_in_another_order_are_refused() {
    let scene = Scene::new();
    let log = Log::of(&scene.world);
    let approval = log.last("approval");
    let lying = log.clone().swapped(approval, approval - 1);
    let liar = Liar::shows(&scene.world, lying);
    // Who has read both as they stood sees another log; who has not sees an approval of what is not there yet.
    scene.gate_refuses(&liar.url, "log-differs");
    scene.follower_refuses("newcomer", &liar.url, "another-root");
}

#[test]
fn an_older_copy_of_the_log_is_refused_by_who_saw_more() {
    let mut scene = Scene::new();
    let older = scene.world.copy_of_the_store("older.db");
    scene.reject();
    scene.gate_reads();
    scene.follows("follower", &scene.url());
    let size = Log::of(&scene.world).size();
    scene.world.start_server(&older);
    let proof = scene.gate_refuses(&scene.url(), "log-went-back");
    assert_eq!(proof.seen.unwrap().size, size);
    assert!(proof.shown.size < size);
    scene.follower_refuses("follower", &scene.url(), "log-went-back");
    scene.person_refuses("carol", &scene.url(), "log-went-back");
    // People elsewhere take it for the log and make it longer: it is another one all the same.
    scene.world.machine = "elsewhere".to_owned();
    for _ in 0..4 {
        scene.world.propose("alice", &[CHECKOUT]);
    }
    let proof = scene.gate_refuses(&scene.url(), "log-differs");
    assert!(proof.shown.size > size);
    scene.follower_refuses("follower", &scene.url(), "log-differs");
    scene.world.machine = "user/.local/state".to_owned();
    scene.person_refuses("carol", &scene.url(), "log-differs");
}

#[test]
fn a_log_that_is_founded_anew_under_its_keys_is_refused() {
    let mut scene = Scene::new();
    let other = World::usual();
    let anew = Log::of(&scene.world).founded_by(&Log::of(&other));
    let size = usize::try_from(anew.size()).unwrap();
    let liar = Liar::shows(&scene.world, anew.clone());
    // Shorter than what was read, it went back; who begins to read sees whose log it is.
    scene.gate_refuses(&liar.url, "log-went-back");
    let proof = scene.follower_refuses("newcomer", &liar.url, "log-refounded");
    assert_eq!(proof.leaf.unwrap().envelope.raw(), other.home.genesis().raw());
    let run = scene.verify(&anew);
    assert_eq!((run.status, &run.json()["first_broken"]), (1, &0.into()), "{run}");
    scene.person_refuses("alice", &liar.url, "log-went-back");
    // Longer, it differs.
    other.stage.write("work/search/limit", "1\n");
    other.commit("something else");
    for _ in size..=usize::try_from(Log::of(&scene.world).size()).unwrap() {
        other.propose("alice", &["search/production"]);
    }
    liar.now_shows(anew.founded_by(&Log::of(&other)));
    scene.gate_refuses(&liar.url, "log-differs");
    scene.person_refuses("alice", &liar.url, "log-differs");
    // At first sight a founder's trust.json says which one it is.
    scene.world.machine = "elsewhere".to_owned();
    let run = scene.world.say_to(&liar.url, "alice", &["--trust", "home/trust.json", "show", &scene.change]);
    assert_ne!(run.status, 0, "{run}");
}

/// The answer about another change than was asked: the command line compares whole ids (see `known`), and a gate looks for
/// what the push brings.
#[test]
fn a_permit_of_another_change_opens_nothing() {
    let scene = Scene::new();
    scene.world.edit("second", "checkout/timeout", "3000\n");
    let other = scene.world.propose("alice", &[CHECKOUT]);
    scene.world.approve("carol", &other);
    scene.world.push(&["second:refs/heads/review/second"]).passes();
    let (tip, head) = (scene.world.tip("main"), scene.world.id("change"));
    let args = ["permit", &other, "--out", "permit", "--old", tip.as_str(), "--new", head.as_str()];
    assert_eq!(scene.world.say("alice", &args).status, 0);
    let permit = STANDARD.encode(fs::read(scene.world.stage.path("permit")).unwrap());
    let push = scene.world.push(&["-o", &format!("countersign-permit={permit}"), "change:main"]);
    push.is_refused("delta-differs");
    assert_eq!(scene.world.tip("main"), tip);
}

/// A blob that is held back contradicts nothing: there is no other side to keep.
#[test]
fn a_blob_that_is_held_back_keeps_the_gate_shut() {
    let scene = Scene::new();
    // One that the gate has not read yet.
    scene.world.edit("change", "checkout/timeout", "31\n");
    scene.world.propose("alice", &[CHECKOUT]);
    let log = Log::of(&scene.world);
    let Body::Proposal(proposal) = log.statement(log.last("proposal")).body else { panic!("no proposal") };
    let lying = log.without_blob(&proposal.subject.digest);
    let liar = Liar::shows(&scene.world, lying.clone());
    scene.world.tell_the_gate(&liar.url);
    let before = scene.world.tip("main");
    scene.world.push(&["change:main"]).is_refused("blob-missing");
    assert_eq!(scene.world.tip("main"), before);
    let run = scene.follow("newcomer", &liar.url);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"code\":\"blob-missing\""), "{run}");
    assert!(!scene.world.stage.path("newcomer/proof").exists());
    let run = scene.verify(&lying);
    assert_eq!((run.status, &run.json()["first_broken"]), (1, &lying.last("proposal").into()), "{run}");
    let said = scene.person_refuses("bob", &liar.url, "bundle-broken");
    assert!(said.contains("the subject sha256:") && said.contains("is missing"), "{said}");
    // When it is there again, everything goes on.
    scene.follows("newcomer", &scene.url());
    scene.world.tell_the_gate(&scene.url());
    scene.world.push(&["change:main"]).is_refused("denied-by-rules");
}

/// Erasing names is no lie: whoever comes later takes from the snapshot whom the commits named, and nothing else.
#[test]
fn names_that_were_erased_stop_no_newcomer() {
    let scene = Scene::new();
    scene.world.push(&["change:main"]).passes();
    let log = Log::of(&scene.world);
    let Body::Proposal(proposal) = log.statement(log.last("proposal")).body else { panic!("no proposal") };
    let Body::Decided(decided) = log.statement(log.last("decision")).body else { panic!("no decision") };
    let erased = log.without_blob(&proposal.identities.unwrap());
    scene.follows("newcomer", &Liar::shows(&scene.world, erased.clone()).url);
    erased.export(&scene.world.stage.path("erased"));
    scene.follows("another", "erased");
    assert_eq!(scene.verify(&erased).status, 0);
    // Without the snapshot nobody can tell any more, and nobody is called a liar for it.
    let lost = erased.without_blob(&decided.snapshot);
    lost.export(&scene.world.stage.path("lost"));
    let run = scene.follow("third", "lost");
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"code\":\"blob-missing\"") && run.stderr.contains("names are missing"), "{run}");
    assert!(!scene.world.stage.path("third/proof").exists());
    assert_eq!(scene.verify(&lost).status, 1);
}

/// What a later program writes is not for this one to read: it says so, and calls nobody a liar.
#[test]
fn a_leaf_of_later_semantics_is_newer_and_never_tampered() {
    let scene = Scene::new();
    let mut log = Log::of(&scene.world);
    let (raised, blobs) = scene.world.raise(2);
    log.append(raised);
    log.blobs.extend(blobs.into_iter().map(|blob| (Digest::of(&blob), blob)));
    // Only raised; then with a statement of a kind that this program never heard of.
    let honest = scene.world.voice("alice").sign(disclosure(&log));
    let payload = String::from_utf8(honest.payload().to_vec()).unwrap().replace(":disclosure:", ":telemetry:");
    let signature = scene.world.key("alice").sign(payload.as_bytes()).unwrap();
    let unheard_of = Envelope::new(payload.as_bytes(), vec![signature]).unwrap();
    for further in [None, Some(unheard_of)] {
        if let Some(further) = further {
            log.append_under(&format!("change/{}", scene.change), further);
        }
        let liar = Liar::shows(&scene.world, log.clone());
        scene.world.tell_the_gate(&liar.url);
        let before = scene.world.tip("main");
        let push = scene.world.push(&["change:main"]);
        push.is_refused("newer-semantics");
        assert!(push.told().contains("newer than this program"), "{}", push.told());
        assert_eq!(scene.world.tip("main"), before);
        let run = scene.verify(&log);
        let steps = run.json()["steps"].clone();
        let verdicts: Vec<&str> =
            steps.as_array().unwrap().iter().map(|step| step["verdict"].as_str().unwrap()).collect();
        assert!(verdicts.contains(&"newer") && !verdicts.contains(&"broken"), "{run}");
        scene.person_refuses("bob", &liar.url, "newer-semantics");
    }
    let run = scene.follow("newcomer", &Liar::shows(&scene.world, log).url);
    assert_eq!(run.status, 1, "{run}");
    assert!(run.stderr.contains("\"code\":\"newer-semantics\""), "{run}");
    assert!(!scene.world.stage.path("newcomer/proof").exists());
}
