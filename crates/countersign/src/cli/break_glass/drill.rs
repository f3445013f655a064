//! `break-glass --drill`: the road of an emergency, walked to a probe at which nothing happens.
//!
//! ```text
//!  --drill TARGET ─> a push of the probe, which is refused with the lines, as in an outage
//!      --at WORD, --cosign FILE: signed by as many as it would take ─> the push again, with the file ─> the log hears of it
//! ```

use std::path::{Path, PathBuf};

use countersign_core::{
    drill::PROBE,
    ids::{ActorId, Target},
    statement::{Body, Drill},
};
use countersign_ledger::Envelope;
use serde_json::json;

use super::{super::output, Args, EXPECTED, confirm, remembered, signers, tell, whose};
use crate::{
    cli::{
        Global,
        error::{CliError, Exit},
        output::{Format, good, heading},
    },
    clock,
    gates::{
        git::{drill::TARGET_OPTION, outage::GLASS_OPTION},
        glass::{Drawn, Part},
    },
    home::files::{self, word},
    speaker::{InFrontOf, signed},
    wire::Submit,
};

/// Says how it begins.
pub fn begin(global: &Global, target: &Target) -> Result<Exit, CliError> {
    let push = format!("git push -o {TARGET_OPTION}{target} origin HEAD:{PROBE}");
    match global.format {
        Format::Json => output::json(&json!({"target": target, "next": push}))?,
        Format::Text => {
            anstream::println!(
                "a drill for {target}: nothing runs by it, no branch moves, and the log need not be there"
            );
            heading("Next");
            anstream::println!("  {push}");
            anstream::println!("  it is refused, with the lines that those sign who would have to");
        }
    }
    Ok(Exit::Done)
}

/// Signs a drill over what the gate drew.
pub fn sign(global: &Global, args: &Args, drawn: &Drawn) -> Result<Exit, CliError> {
    let known = remembered(&drawn.log)?;
    let (hand, me) = whose(global, args.me.as_ref(), &drawn.log, known.as_deref())?;
    let countersign_core::subject::Transition::Git(moved) = &drawn.transition else {
        return Err(CliError::new("malformed-drawn", "a drill moves a probe").hint(EXPECTED));
    };
    let said = Drill {
        audience: drawn.audience.clone(),
        expires_at: drawn.until,
        gate: drawn.gate.clone(),
        nonce: drawn.nonce.clone(),
        repository: moved.repository.clone(),
        targets: drawn.targets.clone(),
        tip: moved.new.clone(),
    };
    tell(&me, &hand, &lines(&said), None);
    confirm(args)?;
    let log = InFrontOf { origin: drawn.log.clone(), checkpoint: drawn.checkpoint, epoch: drawn.epoch };
    let part = Part::new(signed(&hand, &me, &log, Body::Drill(said))?, Vec::new())?;
    let short: String = part.signed.payload().hex().chars().take(12).collect();
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("drill-{short}.json")));
    files::write(&file, bytes(&part)?)?;
    told(global, &part, &file, &me, drawn.needed)
}

/// What a file says, if it is a drill.
pub fn read(bytes: &[u8]) -> Option<Part> {
    let submit: Submit = serde_json::from_slice(bytes).ok()?;
    let part = Part::of(&submit).ok()?;
    says(&part).is_some().then_some(part)
}

/// What is in it.
pub fn show(global: &Global, part: &Part) -> Result<Exit, CliError> {
    let lines = says(part).map(lines).unwrap_or_default();
    match global.format {
        Format::Json => output::json(&json!({"does": lines}))?,
        Format::Text => lines.iter().for_each(|line| anstream::println!("{}", output::printable(line))),
    }
    Ok(Exit::Done)
}

/// The next person signs it.
pub fn cosign(global: &Global, args: &Args, part: Part, file: &Path) -> Result<Exit, CliError> {
    let Some(said) = says(&part) else { return Err(CliError::new("malformed-drill", "it is no drill").hint(EXPECTED)) };
    let log = &part.signed.statement().header.log;
    let known = remembered(log)?;
    let (hand, me) = whose(global, args.me.as_ref(), log, known.as_deref())?;
    signers::is_entitled(&me, &said.targets, known.as_deref(), clock::now())?;
    tell(&me, &hand, &lines(said), None);
    confirm(args)?;
    let mine = hand.fingerprint();
    if part.signed.keys().any(|key| key == mine) {
        return Err(CliError::refused("already-signed", "this key has already signed it")
            .hint("another person signs it: pass their --key"));
    }
    let mut signatures = part.envelope.signatures().to_vec();
    signatures.push(hand.sign(part.envelope.payload())?);
    let envelope = Envelope::new(part.envelope.payload(), signatures)
        .map_err(|error| CliError::new("malformed-statement", error.to_string()))?;
    let part = Part::new(envelope, part.blobs)?;
    files::replace(file, bytes(&part)?)?;
    let signed = part.signed.keys().count();
    told(global, &part, file, &me, signed)
}

pub fn says(part: &Part) -> Option<&Drill> {
    match &part.signed.statement().body {
        Body::Drill(said) => Some(said),
        _ => None,
    }
}

pub fn lines(said: &Drill) -> Vec<String> {
    vec![
        format!("a drill for {}, without the log", output::joined(&said.targets)),
        format!("moves the probe of gate {} to {}, and opens nothing", said.gate, said.tip.short()),
        format!("until {}", said.expires_at),
    ]
}

fn bytes(part: &Part) -> Result<Vec<u8>, CliError> {
    serde_json::to_vec(&Submit::new(&part.envelope, &part.blobs))
        .map_err(|error| CliError::new("failed", format!("it cannot be written: {error}")))
}

fn told(global: &Global, part: &Part, file: &Path, me: &ActorId, needed: usize) -> Result<Exit, CliError> {
    let more = needed.saturating_sub(part.envelope.signatures().len());
    if global.format == Format::Json {
        output::json(&json!({"file": file, "signed_by": me, "more": more}))?;
        return Ok(Exit::Done);
    }
    anstream::println!("{} by {me}: {}", good("signed"), word(file));
    heading("Next");
    if more > 0 {
        anstream::println!("  another who is entitled: countersign break-glass --git . --cosign {}", word(file));
    }
    let targets: Vec<String> =
        says(part).into_iter().flat_map(|said| &said.targets).map(|t| format!("-o {TARGET_OPTION}{t} ")).collect();
    anstream::println!(
        "  git push {}-o {GLASS_OPTION}$(base64 -w0 {}) origin HEAD:{PROBE}",
        targets.concat(),
        word(file)
    );
    Ok(Exit::Done)
}
