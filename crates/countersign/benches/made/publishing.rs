//! Publications: each replaces one file, a group's people or one system, by a change that one person proposes and another approves.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use countersign::{engine::Engine, random, store};
use countersign_core::{
    canonical,
    governance::Replacements,
    ids::{ChangeId, Target},
    kind::{Kind, Purpose},
    statement::{
        Approval, Body, Header, Proposal, Publication, PublishedChange, RevisionRef, Seen, SeenCheckpoint, Statement,
    },
    subject::{GovernanceSubject, Subject},
    text::ProposalText,
};
use countersign_ledger::{Digest, Envelope};
use serde_json::{Value, json};

use super::world::{Person, World};

/// Puts so many publications into the log, one after the other.
pub async fn publish(world: &World, engine: &Engine, publications: usize) -> Result<()> {
    for number in 0..publications {
        let governance = engine.governance().await?;
        let (path, edit) = if number % 2 == 0 { person(world, number) } else { system(world, number) };
        let digest = governance.record.files.get(&path).with_context(|| format!("there is no {path}"))?;
        let bytes = store::blob(engine.store(), digest).await?.with_context(|| format!("{path} is missing"))?;
        let mut file: Value = serde_json::from_slice(&bytes)?;
        edit(&mut file);
        let file = canonical::to_bytes(&file)?;
        let list: Replacements = BTreeMap::from([(path, Some(Digest::of(&file)))]);
        let list = canonical::to_bytes(&list)?;
        let [first, second, ..] = &world.people[..] else { bail!("it takes two people") };
        let parent = governance.record.in_force;
        let subject = GovernanceSubject { files: Digest::of(&list), parent, semantics: None };
        let named = Subject::Governance(subject.clone());
        let text = ProposalText {
            salt: random::nonce(),
            title: "People come and go".to_owned(),
            why: "People come and go.".to_owned(),
            risk: String::new(),
            rollback: String::new(),
            tests: String::new(),
            links: Vec::new(),
        };
        let (blob, reviewed) = (text.to_blob()?, named.reference()?);
        let targets = BTreeSet::from([Target::governance()]);
        let proposal = Proposal {
            documents: text.documents(),
            facts: None,
            identities: None,
            kind: Kind::Rules,
            purpose: Purpose::default(),
            sponsor: None,
            subject: reviewed.clone(),
            targets: targets.clone(),
            text: Digest::of(&blob),
        };
        let said =
            say(engine, first, Body::Proposal(proposal), vec![list, file, named.to_blob()?, blob.clone()]).await?;
        let (id, revision) = (ChangeId::of_proposal(&said), RevisionRef { digest: said, number: 1 });
        let approval = Approval { change: id.clone(), reviewed, revision, seen: Seen::Material, targets, within: None };
        say(engine, second, Body::Approval(approval), Vec::new()).await?;
        let publication = Publication {
            change: Some(PublishedChange { id, revision }),
            files: subject.files,
            parent,
            reason: Digest::of(&blob),
            semantics: None,
        };
        say(engine, first, Body::Publication(publication), Vec::new()).await?;
    }
    Ok(())
}

/// Says something by somebody, and gives the name of what was said.
async fn say(engine: &Engine, by: &Person, body: Body, blobs: Vec<Vec<u8>>) -> Result<Digest> {
    let head = engine.head().await?;
    let header = Header {
        by: by.id.clone(),
        checkpoint: SeenCheckpoint { root: head.root, size: head.size },
        epoch: None,
        log: engine.governance().await?.record.origin.clone(),
        nonce: random::nonce(),
    };
    let payload = Statement { header, body }.encode()?;
    let envelope = Envelope::new(&payload, vec![by.key.sign(&payload)?])?;
    engine.submit(envelope.raw(), blobs).await?;
    Ok(envelope.payload_digest())
}

type Edit = Box<dyn FnOnce(&mut Value) + Send>;

/// Somebody who is no senior becomes a principal, or the other way round.
fn person(world: &World, number: usize) -> (String, Edit) {
    let juniors: Vec<_> = world.people.iter().filter(|person| !person.senior).collect();
    let person = juniors[number * 7 % juniors.len()];
    let id = person.id.to_string();
    let edit = move |file: &mut Value| {
        let level = if file[&id]["level"] == "principal" { "standard" } else { "principal" };
        file[&id]["level"] = json!(level);
    };
    (format!("people/{}.json", person.group), Box::new(edit))
}

/// A system begins to depend on another one, or no longer does.
fn system(world: &World, number: usize) -> (String, Edit) {
    let place = number * 5 % world.systems.len();
    let (name, other) = (&world.systems[place], world.systems[(place + 1) % world.systems.len()].to_string());
    let edit = move |file: &mut Value| {
        if let Some(fields) = file.as_object_mut()
            && fields.remove("depends_on").is_none()
        {
            fields.insert("depends_on".to_owned(), json!([other]));
        }
    };
    (format!("systems/{name}.json"), Box::new(edit))
}
