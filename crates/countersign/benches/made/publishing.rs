//! Publications: each replaces one file, a group's people or one system, and two people sign it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use countersign::{engine::Engine, random, store};
use countersign_core::{
    canonical,
    governance::Replacements,
    statement::{Body, Header, Publication, SeenCheckpoint, Statement},
    text::Reason,
};
use countersign_ledger::{Digest, Envelope};
use serde_json::{Value, json};

use super::world::World;

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
        let reason = Reason { salt: random::nonce(), why: "People come and go.".to_owned() }.to_blob()?;
        let body = Body::Publication(Publication {
            files: Digest::of(&list),
            parent: governance.record.in_force,
            reason: Digest::of(&reason),
            semantics: None,
        });
        let head = engine.head().await?;
        let [first, second, ..] = &world.people[..] else { bail!("two people have to sign") };
        let header = Header {
            by: first.id.clone(),
            checkpoint: SeenCheckpoint { root: head.root, size: head.size },
            epoch: None,
            log: governance.record.origin.clone(),
            nonce: random::nonce(),
        };
        let payload = Statement { header, body }.encode()?;
        let signatures = vec![first.key.sign(&payload)?, second.key.sign(&payload)?];
        engine.submit(Envelope::new(&payload, signatures)?.raw(), vec![list, file, reason]).await?;
    }
    Ok(())
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
