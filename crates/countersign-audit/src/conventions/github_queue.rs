//! GitHub's merge queue.

use super::{Convention, Found, Says};

const ROBOT: &str = "github-merge-queue";

pub const CONVENTION: Convention = Convention {
    name: "github-merge-queue",
    proves: "that the merge queue landed it, under the branch's rules",
    does_not_prove: "who queued or approved it; a queue that signs as GitHub with the queuer as author looks like a merge",
    find: |context| {
        let record = context.landed.record;
        let robot = [&record.author, &record.committer]
            .into_iter()
            .find(|who| who.name.starts_with(ROBOT) || who.mail.contains("github-merge-queue[bot]"));
        // A merge of the queue's branch; a change may also be *about* the queue.
        let branch = context.landed.is_merge() && context.landed.subject.contains("gh-readonly-queue/");
        match robot {
            Some(who) => {
                vec![Found::by(Says::Platform, who.clone(), format!("{} ({ROBOT}[bot])", context.landed.subject))]
            }
            None if branch => vec![Found::nobody(Says::Platform, context.landed.subject)],
            None => Vec::new(),
        }
    },
};
