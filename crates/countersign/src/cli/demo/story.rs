//! The story. Ana operates the shop; Ben and Chloe are seniors of the payments team; Dora runs the platform.

use std::path::PathBuf;

use crate::{
    cli::{
        demo::stage::{Ending, Stage, failed},
        error::CliError,
    },
    clock,
    wire::{ChangeLine, rfc3339},
};

/// What is there when it is over.
#[derive(Debug)]
pub struct Story {
    pub change: String,
    pub bundle: PathBuf,
    pub trust: PathBuf,
    pub seen: Vec<String>,
}

const PEOPLE: [(&str, &str, &str); 4] = [
    ("ana", "standard", "operations"),
    ("ben", "senior", "payments"),
    ("chloe", "senior", "payments"),
    ("dora", "principal", "operations"),
];

const STALE: &str = "---\nowner: payments\nlast_reviewed_on: 2025-03-03\nreview_in: 6 months\n---\n\
    # Moving traffic between regions\n\nSet every weight of the old region to 0.\n";

pub fn play(stage: &mut Stage) -> Result<Story, CliError> {
    prepare(stage)?;
    one_person(stage)?;
    let change = proposed(stage)?;
    assisted(stage, &change)?;
    refreshed(stage)?;
    countersigned(stage, &change)?;
    landed(stage)?;
    let bundle = verified(stage, &change)?;
    went_round(stage)?;
    Ok(Story {
        change,
        bundle,
        trust: stage.path("home/trust.json"),
        seen: vec![
            "a configuration change by one authorised person did not reach production alone".to_owned(),
            "advice from an out-of-date page, passed on by an AI assistant, had to be looked at first".to_owned(),
            "each refusal said what was missing, who could supply it, and the command that does it".to_owned(),
            "the gate opened for exactly what two people had signed, and for nothing else".to_owned(),
            "anyone with trust.json can check that this is what happened; one flipped bit shows".to_owned(),
        ],
    })
}

fn prepare(stage: &mut Stage) -> Result<(), CliError> {
    stage.scene("A shop, its people, its repository, its gate");
    for (name, _, _) in PEOPLE {
        stage.write(&format!("home-of/{name}/.keep"), "")?;
    }
    stage.write("keys/.keep", "")?;
    for (name, _, _) in PEOPLE {
        let key = stage.path("keys").join(name);
        let key = key.to_string_lossy();
        stage.quietly(name, "", &["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &key])?;
    }
    stage.write("catalog/org.yaml", &people(stage)?)?;
    stage.write("catalog/systems.yaml", SYSTEMS)?;
    stage.tell(
        "Four people with SSH keys; two systems: checkout (tier 1) and runbooks (tier 3). Ben and Dora found the log.",
    );
    let keys = stage.path("keys");
    let founder = |name: &str| format!("{name}={name}@shop.example={}", keys.join(name).display());
    stage.run(
        "dora",
        "",
        &[
            "countersign",
            "init",
            "home",
            "--name",
            "shop.example/log",
            "--catalog",
            "catalog",
            "--founder",
            &founder("ben"),
            "--founder",
            &founder("dora"),
        ],
        Ending::Done,
    )?;
    let config = stage.path("home/countersign.yaml");
    let text = std::fs::read_to_string(&config).map_err(|e| failed(e.to_string()))?;
    let guidance = format!(
        "guidance:\n  - repository: shop\n    path: \"{}\"\n    branch: main\n",
        stage.path("shop.git").display()
    );
    stage.write("home/countersign.yaml", &text.replace("guidance: []\n", &guidance))?;

    stage.quietly("dora", "", &["git", "init", "-q", "--bare", "-b", "main", "shop.git"])?;
    stage.quietly("dora", "", &["git", "clone", "-q", "shop.git", "dora"])?;
    stage.write("dora/services/checkout/routing.yaml", "regions:\n  us-east: 50\n  us-west: 50\n")?;
    stage.write("dora/runbooks/traffic.md", STALE)?;
    stage.quietly("dora", "dora", &["git", "checkout", "-q", "-B", "main"])?;
    stage.quietly("dora", "dora", &["git", "add", "."])?;
    stage.quietly("dora", "dora", &["git", "commit", "-q", "-m", "The shop as it runs"])?;
    stage.quietly("dora", "dora", &["git", "push", "-q", "origin", "main"])?;
    for (name, _, _) in PEOPLE {
        if name != "dora" {
            stage.quietly(name, "", &["git", "clone", "-q", "shop.git", name])?;
        }
    }
    stage.serve("home")?;
    stage.run(
        "dora",
        "",
        &[
            "countersign",
            "gate",
            "install",
            "shop.git",
            "--name",
            "shop-git",
            "--trust",
            "home/trust.json",
            "--branch",
            "main",
            "--map",
            "services/checkout/**=checkout/production",
            "--map",
            "runbooks/**=runbooks/production",
        ],
        Ending::Done,
    )?;
    Ok(())
}

fn one_person(stage: &mut Stage) -> Result<(), CliError> {
    stage.scene("One authorised operator, one configuration change, nobody else");
    stage.tell("Ana moves all traffic to one region. In 2026 that was enough to lose most of a day's orders.");
    stage.write("ana/services/checkout/routing.yaml", "regions:\n  us-east: 0\n  us-west: 100\n")?;
    stage.quietly("ana", "ana", &["git", "checkout", "-q", "-b", "west"])?;
    stage.quietly("ana", "ana", &["git", "commit", "-q", "-a", "-m", "Route all traffic to us-west"])?;
    stage.run("ana", "ana", &["git", "push", "origin", "west:main"], Ending::Refused)?;
    Ok(())
}

fn proposed(stage: &mut Stage) -> Result<String, CliError> {
    stage.scene("Proposed, it is still one person's change");
    stage.run(
        "ana",
        "ana",
        &[
            "countersign",
            "propose",
            "--target",
            "checkout/production",
            "--kind",
            "config",
            "--git",
            ".",
            "--branch",
            "main",
            "--range",
            "origin/main..west",
            "--title",
            "Route all traffic to us-west",
            "--why",
            "us-east is to be drained for maintenance tonight",
            "--risk",
            "us-west carries the whole load",
            "--rollback",
            "git revert, then push: takes two minutes",
            "--tests",
            "load test of us-west at 120%",
        ],
        Ending::Done,
    )?;
    let change = id_of(stage, "Route all traffic to us-west")?;
    stage.tell("Ana pushes again, and approves her own change:");
    stage.run("ana", "ana", &["git", "push", "origin", "west:main"], Ending::Refused)?;
    stage.run("ana", "ana", &["countersign", "approve", &change, "--git", "."], Ending::Refused)?;
    Ok(change)
}

fn id_of(stage: &Stage, title: &str) -> Result<String, CliError> {
    let found = stage.quietly("dora", "", &["countersign", "list", "--format", "json"])?;
    let changes: Vec<ChangeLine> = serde_json::from_str(&found).map_err(|e| failed(e.to_string()))?;
    let change = changes.into_iter().find(|change| change.title == title);
    Ok(change.ok_or_else(|| failed(format!("`{title}` is not in the log: {found}")))?.id.to_string())
}

fn assisted(stage: &mut Stage, change: &str) -> Result<(), CliError> {
    stage.scene("An AI assistant helped, and followed a page that nobody had reviewed for too long");
    stage.run(
        "ana",
        "ana",
        &["countersign", "disclose", change, "--tool", "Coding assistant", "--guidance", "runbooks/traffic.md"],
        Ending::Done,
    )?;
    stage.run("ana", "ana", &["git", "push", "origin", "west:main"], Ending::Refused)?;
    Ok(())
}

fn refreshed(stage: &mut Stage) -> Result<(), CliError> {
    stage.scene("Chloe owns the page, looks at it, and corrects it: a change like any other");
    let today = rfc3339(clock::now()).chars().take(10).collect::<String>();
    let page = STALE.replace("2025-03-03", &today).replace(
        "Set every weight of the old region to 0.",
        "Move weights in steps of 10, and look at the error rate between two steps.",
    );
    stage.write("chloe/runbooks/traffic.md", &page)?;
    stage.quietly("chloe", "chloe", &["git", "checkout", "-q", "-b", "page"])?;
    stage.quietly("chloe", "chloe", &["git", "commit", "-q", "-a", "-m", "Review the traffic runbook"])?;
    stage.run(
        "chloe",
        "chloe",
        &[
            "countersign",
            "propose",
            "--target",
            "runbooks/production",
            "--kind",
            "config",
            "--git",
            ".",
            "--branch",
            "main",
            "--range",
            "origin/main..page",
            "--title",
            "Review the traffic runbook",
            "--why",
            "It told people to move everything at once",
            "--risk",
            "none: text",
            "--rollback",
            "git revert of this commit",
            "--tests",
            "read by the team",
        ],
        Ending::Done,
    )?;
    let page = id_of(stage, "Review the traffic runbook")?;
    stage.quietly("ben", "ben", &["git", "fetch", "-q", "../chloe", "page"])?;
    stage.run("ben", "ben", &["countersign", "approve", &page, "--git", "."], Ending::Done)?;
    stage.run("chloe", "chloe", &["git", "push", "origin", "page:main"], Ending::Done)?;
    Ok(())
}

fn countersigned(stage: &mut Stage, change: &str) -> Result<(), CliError> {
    stage.scene("Two people who had no hand in it look at Ana's change, and sign exactly that");
    for who in ["ben", "chloe"] {
        stage.quietly(who, who, &["git", "fetch", "-q", "../ana", "west"])?;
        stage.run(who, who, &["countersign", "approve", change, "--git", "."], Ending::Done)?;
    }
    Ok(())
}

fn landed(stage: &mut Stage) -> Result<(), CliError> {
    stage.scene("The permit opens the gate, for this and nothing else");
    stage.tell("main has moved on (the runbook), so Ana merges what was approved onto it.");
    stage.quietly("ana", "ana", &["git", "fetch", "-q", "origin"])?;
    stage.quietly("ana", "ana", &["git", "checkout", "-q", "-B", "main", "origin/main"])?;
    stage.run("ana", "ana", &["git", "merge", "--no-ff", "-m", "Merge the routing change", "west"], Ending::Done)?;
    stage.tell("Something slipped into the merge is refused; the merge that brings what was approved is not.");
    stage.write("ana/services/checkout/extra.yaml", "debug: true\n")?;
    stage.quietly("ana", "ana", &["git", "checkout", "-q", "-b", "slipped"])?;
    stage.quietly("ana", "ana", &["git", "add", "."])?;
    stage.quietly("ana", "ana", &["git", "commit", "-q", "--amend", "--no-edit"])?;
    stage.run("ana", "ana", &["git", "push", "origin", "slipped:main"], Ending::Refused)?;
    stage.quietly("ana", "ana", &["git", "checkout", "-q", "main"])?;
    stage.run("ana", "ana", &["git", "push", "origin", "main"], Ending::Done)?;
    Ok(())
}

fn verified(stage: &mut Stage, change: &str) -> Result<PathBuf, CliError> {
    stage.scene("An auditor who trusts nobody");
    let bundle = stage.path("change.bundle");
    let damaged = stage.path("damaged");
    stage.run("dora", "", &["countersign", "bundle", change, "--out", "change.bundle"], Ending::Done)?;
    stage.run("dora", "", &["countersign", "verify", "change.bundle", "--trust", "home/trust.json"], Ending::Done)?;
    stage.tell("Stock OpenSSH accepts the approvals, too:");
    stage.quietly("dora", "", &["mkdir", "damaged"])?;
    stage.quietly("dora", "", &["tar", "xf", "change.bundle", "-C", "damaged"])?;
    let approval = std::fs::read_dir(damaged.join("approvals"))
        .map_err(|e| failed(e.to_string()))?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.ends_with("-ben.sig"))
        .ok_or_else(|| failed("the bundle has no approval by ben".to_owned()))?;
    let signed = approval.replace(".sig", ".signed");
    let check = format!(
        "ssh-keygen -Y verify -f damaged/approvals/allowed_signers -I ben -n countersign -s damaged/approvals/{approval} < damaged/approvals/{signed}"
    );
    stage.run("dora", "", &["sh", "-c", &check], Ending::Done)?;
    stage.tell("One bit of Ben's approval is flipped:");
    let index = approval.split('-').next().unwrap_or_default();
    let leaf = damaged.join("leaves").join(index);
    let mut bytes = std::fs::read(&leaf).map_err(|e| failed(e.to_string()))?;
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    std::fs::write(&leaf, bytes).map_err(|e| failed(e.to_string()))?;
    stage.run("dora", "", &["countersign", "verify", "damaged", "--trust", "home/trust.json"], Ending::Refused)?;
    Ok(bundle)
}

fn went_round(stage: &mut Stage) -> Result<(), CliError> {
    stage.scene("Going round the gate");
    stage.tell("Somebody with a shell on the git server moves the branch by hand:");
    let slipped = stage.quietly("ana", "ana", &["git", "rev-parse", "slipped"])?;
    stage.quietly("ana", "shop.git", &["git", "fetch", "-q", "../ana", "slipped:refs/heads/slipped"])?;
    stage.run("ana", "shop.git", &["git", "update-ref", "refs/heads/main", &slipped], Ending::Refused)?;
    stage.run("dora", "", &["countersign", "gate", "status", "shop.git"], Ending::Done)?;
    Ok(())
}

fn people(stage: &Stage) -> Result<String, CliError> {
    let mut text = String::from(GROUPS);
    for (name, level, group) in PEOPLE {
        let key = std::fs::read_to_string(stage.path("keys").join(format!("{name}.pub")))
            .map_err(|e| failed(e.to_string()))?;
        text.push_str(&format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {name}\n  annotations:\n    \
             countersign/level: {level}\n    countersign/keys: {}\nspec:\n  profile:\n    \
             email: {name}@shop.example\n  memberOf: [{group}]\n",
            key.trim()
        ));
    }
    Ok(text)
}

const GROUPS: &str = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: payments\nspec:\n  type: team\n  \
    children: []\n---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: operations\nspec:\n  \
    type: team\n  children: []\n";

const SYSTEMS: &str = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: checkout\n  \
    annotations:\n    countersign/tier: \"1\"\nspec:\n  type: service\n  lifecycle: production\n  \
    owner: group:payments\n---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: runbooks\n  \
    annotations:\n    countersign/tier: \"3\"\nspec:\n  type: documentation\n  lifecycle: production\n  \
    owner: group:payments\n";
