//! Whether a transition is one that a change is about.

use super::Change;
use crate::{
    refusal::Refusal,
    subject::{ApplyTransition, FilesSubject, GitSubject, GitTransition, Subject, Transition, quoted},
};

impl Change {
    /// Whether a transition is one that the present revision is about. That a push brings exactly the approved delta is for
    /// the gate to check, which has the objects.
    pub fn fits(&self, transition: &Transition) -> Result<(), Refusal> {
        let Some(revision) = self.current() else {
            return Err(Refusal::conflict("change-damaged", format!("change {} has no revision", self.id)));
        };
        match (&revision.subject, transition) {
            (Subject::Git(subject), Transition::Git(transition)) => self.fits_git(subject, transition),
            (Subject::Files(subject), Transition::Apply(transition)) => self.fits_files(subject, transition),
            (Subject::Governance(_), Transition::Git(_) | Transition::Apply(_)) => Err(Refusal::forbidden(
                "another-kind-of-subject",
                format!("change {} is about governance files, which no gate puts in force", self.id),
            )
            .hint(format!("publish it: countersign publish {}", self.id.short()))),
            (Subject::Git(_), Transition::Apply(_)) | (Subject::Files(_), Transition::Git(_)) => {
                Err(Refusal::forbidden(
                    "another-kind-of-subject",
                    format!("change {} is about {}", self.id, revision.subject.summary()),
                ))
            }
        }
    }

    fn fits_git(&self, subject: &GitSubject, transition: &GitTransition) -> Result<(), Refusal> {
        if subject.repository != transition.repository {
            return Err(Refusal::forbidden(
                "another-repository",
                format!("change {} is for repository {}, not {}", self.id, subject.repository, transition.repository),
            ));
        }
        if subject.branch != transition.reference {
            return Err(Refusal::forbidden(
                "another-branch",
                format!("change {} is for {}, not {}", self.id, subject.branch, transition.reference),
            )
            .hint("an approval holds for one branch; propose the change for the other one too"));
        }
        Ok(())
    }

    fn fits_files(&self, subject: &FilesSubject, transition: &ApplyTransition) -> Result<(), Refusal> {
        let (files, offered) = (&subject.files, &transition.files);
        let short = self.id.short();
        if let Some((name, digest)) = offered.iter().find(|(name, digest)| files.get(*name) != Some(*digest)) {
            let same_bytes = files.iter().find(|(_, proposed)| *proposed == digest).map(|(name, _)| name);
            let names = || files.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(match (files.get(name), same_bytes) {
                (Some(_), _) => Refusal::forbidden(
                    "another-content",
                    format!("the bytes of `{name}` are not those that change {} is about", self.id),
                )
                .hint(format!("propose what you have: countersign revise {short} --file …")),
                (None, Some(proposed)) => Refusal::forbidden(
                    "another-name",
                    format!("change {short} has no file `{name}`; the same bytes are in it as `{proposed}`"),
                )
                .hint(format!(
                    "files are named as they are passed: where `{proposed}` is that file, pass --file {proposed}"
                )),
                (None, None) => Refusal::forbidden("another-content", format!("change {short} has no file `{name}`"))
                    .hint(format!("its files are {}", names())),
            });
        }
        if let Some(name) = files.keys().find(|name| !offered.contains_key(*name)) {
            return Err(Refusal::forbidden("file-missing", format!("the change also has `{name}`"))
                .hint("pass every file of the change with --file"));
        }
        if let Some(name) = subject.executable.symmetric_difference(&transition.executable).next() {
            let (here, there) = match subject.executable.contains(name) {
                true => ("cannot be run here", "with the bit that lets it be run"),
                false => ("can be run here", "without the bit that lets it be run"),
            };
            return Err(Refusal::forbidden(
                "another-mode",
                format!("`{name}` {here}, and change {} was approved {there}", self.id),
            )
            .hint("set it as it was approved (chmod +x or chmod -x), or propose what you have"));
        }
        match &subject.command {
            Some(approved) if *approved == transition.command => Ok(()),
            Some(approved) => Err(Refusal::forbidden(
                "another-command",
                format!("the command is `{}`, approved is `{}`", quoted(&transition.command), quoted(approved)),
            )),
            None => Err(Refusal::forbidden("no-command", format!("change {} names no command", self.id))
                .hint("say what will be run when you propose or revise: --command 'COMMAND'")),
        }
    }
}
