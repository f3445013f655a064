//! Git's mailmap: which names and addresses belong together, as a repository's owners say.
//!
//! Four forms, as in gitmailmap(5): `Name <commit>`, `<proper> <commit>`, `Name <proper> <commit>` and
//! `Name <proper> Commit Name <commit>`. Comments begin with `#` at the start of a line or after a space.

use std::collections::HashMap;

use countersign_core::facts::git::Ident;

/// Lines beyond this are not read: a mailmap is written by hand.
pub const MAX_ENTRIES: usize = 100_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Proper {
    name: Option<String>,
    mail: Option<String>,
}

/// What a mailmap says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailmap {
    /// By the commit's mail, in lower case.
    by_mail: HashMap<String, Proper>,
    /// By the commit's mail and name, both in lower case.
    by_both: HashMap<(String, String), Proper>,
}

impl Mailmap {
    /// Reads a mailmap. Lines that fit none of the forms are passed over, as git does.
    pub fn parse(text: &str) -> Self {
        let mut map = Self::default();
        for line in text.lines().take(MAX_ENTRIES) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                map.entry(line);
            }
        }
        map
    }

    pub fn is_empty(&self) -> bool {
        self.by_mail.is_empty() && self.by_both.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_mail.len().saturating_add(self.by_both.len())
    }

    /// The proper name and mail of somebody, where the mailmap says another. `mail` in lower case.
    pub fn proper(&self, name: &str, mail: &str) -> Option<Ident> {
        if self.is_empty() {
            return None;
        }
        let proper = self.by_both.get(&(mail.to_owned(), name.to_lowercase())).or_else(|| self.by_mail.get(mail))?;
        let found = Ident {
            name: proper.name.clone().unwrap_or_else(|| name.to_owned()),
            mail: proper.mail.clone().unwrap_or_else(|| mail.to_owned()),
        };
        (found.name != name || found.mail != mail).then_some(found)
    }

    fn entry(&mut self, line: &str) -> Option<()> {
        let (first_name, first_mail, rest) = pair(line)?;
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match pair(rest) {
            None => {
                let entry = self.by_mail.entry(first_mail).or_default();
                entry.name = filled(first_name);
            }
            Some((second_name, second_mail, _)) => {
                let proper = Proper { name: filled(first_name), mail: Some(first_mail) };
                match second_name.is_empty() {
                    true => self.by_mail.insert(second_mail, proper),
                    false => self.by_both.insert((second_mail, second_name.to_lowercase()), proper),
                };
            }
        }
        Some(())
    }
}

/// `Name <mail>` at the start of a line, and what follows.
fn pair(line: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = line.split_once('<')?;
    let (mail, rest) = rest.split_once('>')?;
    Some((name.trim(), mail.trim().to_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_forms() {
        let map = Mailmap::parse(
            "# people\nJane Doe <Jane@desk.example>\n<jane@doe.example> <jane@laptop.example>\n\
             Joe R <joe@r.example> <joe@old.example>\nJoe R <joe@r.example> joey <shared@team.example> # note\nbroken line\n",
        );
        let show = |name: &str, mail: &str| {
            map.proper(name, mail).map_or("-".to_owned(), |who| format!("{} <{}>", who.name, who.mail))
        };
        assert_eq!(show("jd", "jane@desk.example"), "Jane Doe <jane@desk.example>");
        assert_eq!(show("Jane", "jane@laptop.example"), "Jane <jane@doe.example>");
        assert_eq!(show("x", "joe@old.example"), "Joe R <joe@r.example>");
        assert_eq!(show("Joey", "shared@team.example"), "Joe R <joe@r.example>");
        assert_eq!(show("Ann", "shared@team.example"), "-");
    }
}
