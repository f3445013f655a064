//! Audits: conventions one by one, and real histories whose truths are known.

mod conventions;
mod history;

#[test]
fn explore() {
    for name in [
        "operations-puppet",
        "deployment-charts",
        "modernisation-platform",
        "govuk-infrastructure",
        "golang-tools",
        "folly",
        "cargo",
        "beads",
    ] {
        let Some(h) = history::whole(name) else { continue };
        let l = h.landed();
        let t = std::time::Instant::now();
        let (a, p, s) = history::audit(&l);
        let r = countersign_core::audit::Reverts::find(&a);
        println!(
            "{name} {} {:?}\n  {:?} named {:.4} {:?} reviewers {} approvers {} people {} identities {} joins {:?} reverts {} unfound {}\n {:?}",
            l.len(),
            t.elapsed(),
            s.grades,
            s.grades.named as f64 / s.landed as f64,
            s.ai,
            s.reviewers().len(),
            s.approvers().len(),
            p.count(),
            p.identities().count(),
            p.joins(),
            r.all.len(),
            r.unfound,
            s.conventions
        );
    }
}

#[test]
fn explore_beads() {
    let h = history::whole("beads").unwrap();
    let (a, _, _) = history::audit(&h.landed());
    let lines: Vec<String> = a.iter().map(|c| format!("{} {:?} {:?}", c.commit, c.ai.status, c.ai.signals)).collect();
    std::fs::write("/tmp/beads.txt", lines.join("\n")).unwrap();
}
