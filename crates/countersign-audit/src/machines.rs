//! Identities that are nobody: forges that write commits on somebody's behalf, robots that act by a rule, and scripts
//! that imported a history. One table; a second one names AI tools by what they call themselves where nobody wrote their
//! address.
//!
//! None of them is a second person, and none is a contributor of whom a reviewer must be independent.

use std::sync::LazyLock;

use countersign_core::facts::ai;
use regex::Regex;

/// What a machine's name in a commit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// Writes commits for whoever pressed a button: it says nothing of who that was.
    Forge,
    /// Lands changes under a platform's rule.
    Lander,
    /// Makes changes by itself: updates, releases, translations, formatting.
    Robot,
    /// Wrote the history when it was moved from elsewhere.
    Import,
}

/// How a row matches. All text is in lower case.
#[derive(Clone, Copy, Debug)]
enum Is {
    Mail(&'static str),
    /// The name, or the login of the address (`12345+LOGIN@users.noreply.github.com`, `LOGIN@…`).
    Called(&'static str),
    NameStarts(&'static str),
    /// The name or the login, as for `Called`.
    CalledStarts(&'static str),
    MailStarts(&'static str),
    MailEnds(&'static str),
}
use Is::{Called, CalledStarts, Mail, MailEnds, MailStarts, NameStarts};
use Machine::{Forge, Import, Lander, Robot};

/// A new machine is a new line. The first that matches wins.
#[rustfmt::skip]
const TABLE: &[(Machine, Is)] = &[
    (Forge, Mail("noreply@github.com")),
    (Forge, Called("web-flow")),
    (Forge, Mail("noreply@gitlab.com")),
    (Forge, Mail("noreply@gitea.io")),
    (Forge, Mail("noreply@gitea.com")),
    (Forge, Mail("noreply@codeberg.org")),
    (Forge, Mail("noreply@bitbucket.org")),
    (Forge, MailStarts("noreply@gitlab.")),
    (Forge, MailStarts("noreply-gerritcodereview")),
    (Forge, NameStarts("gerrit code review")),
    (Forge, Called("code review")),
    (Forge, Called("gerrit-code-review")),
    (Forge, Called("gerrit")),
    (Forge, Called("phabricator")),
    (Forge, Called("sourcehut")),
    (Forge, Called("azure devops")),
    (Forge, Called("bitbucket")),
    (Forge, Called("gitea")),
    (Forge, Called("forgejo")),
    (Forge, Called("gogs")),
    (Forge, MailEnds("@fake.local")),
    (Forge, MailStarts("noreply@github.")),
    (Forge, MailStarts("noreply@forgejo.")),
    (Forge, MailStarts("noreply@gitea.")),
    (Forge, MailStarts("gitea@noreply.")),
    (Forge, Called("android code review")),

    (Lander, Called("github-merge-queue[bot]")),
    (Lander, Called("github-merge-queue")),
    (Lander, Called("bors")),
    (Lander, Called("bors[bot]")),
    (Lander, Called("rust-bors[bot]")),
    (Lander, Called("rust-bors")),
    (Lander, Called("bors-servo")),
    (Lander, Called("bors-libra")),
    (Lander, Called("craterbot")),
    (Lander, Called("homu")),
    (Lander, Called("bot-homu")),
    (Lander, Called("zuul")),
    (Lander, Called("zuul[bot]")),
    (Lander, MailStarts("zuul@")),
    (Lander, Called("openstack infra")),
    (Lander, Called("openstack-infra")),
    (Lander, Called("jenkins")),
    (Lander, Called("jenkins-bot")),
    (Lander, Called("jenkins bot")),
    (Lander, Called("k8s-ci-robot")),
    (Lander, Called("kubernetes prow robot")),
    (Lander, Called("kubernetes submit queue")),
    (Lander, Called("k8s-merge-robot")),
    (Lander, Called("openshift-merge-robot")),
    (Lander, Called("openshift-merge-bot[bot]")),
    (Lander, Called("openshift merge robot")),
    (Lander, Called("openshift bot")),
    (Lander, Called("openshift-bot")),
    (Lander, Called("openshift-ci[bot]")),
    (Lander, Called("openshift-ci-robot")),
    (Lander, Called("istio-testing")),
    (Lander, Called("knative-prow[bot]")),
    (Lander, Called("knative-prow-robot")),
    (Lander, Called("google-oss-prow[bot]")),
    (Lander, Called("google-oss-robot")),
    (Lander, Called("tekton-robot")),
    (Lander, Called("metal3-io-bot")),
    (Lander, Called("jetstack-bot")),
    (Lander, Called("cert-manager-prow[bot]")),
    (Lander, Called("kubevirt-bot")),
    (Lander, Called("prow[bot]")),
    (Lander, Called("prow")),
    (Lander, Called("ti-chi-bot")),
    (Lander, Called("ti-chi-bot[bot]")),
    (Lander, Called("kubernetes-prow[bot]")),
    (Lander, Called("tarmac")),
    (Lander, Called("probot-auto-merge[bot]")),
    (Lander, Called("automerge[bot]")),
    (Lander, Called("gvisor bot")),
    (Lander, Called("a. unique tensorflower")),
    (Lander, Called("sre-bot")),
    (Lander, Called("pingcap-github-bot")),
    (Lander, Called("rultor")),
    (Lander, Called("landing-worker")),
    (Lander, Called("sheriff-bot")),
    (Lander, Called("ghstack-bot")),
    (Lander, Called("merge-queue[bot]")),
    (Lander, Called("graphite merge queue")),
    (Lander, Called("mergify[bot]")),
    (Lander, Called("mergify")),
    (Lander, Called("mergequeue[bot]")),
    (Lander, Called("kodiakhq[bot]")),
    (Lander, Called("bulldozer[bot]")),
    (Lander, Called("graphite-app[bot]")),
    (Lander, Called("trunk-io[bot]")),
    (Lander, Called("aviator-app[bot]")),
    (Lander, Called("marge-bot")),
    (Lander, Called("marge bot")),
    (Lander, Called("lando")),
    (Lander, Called("commit bot")),
    (Lander, Called("commit-bot")),
    (Lander, Called("chromium commit bot")),
    (Lander, Called("chrome-cq")),
    (Lander, MailStarts("commit-bot@")),
    (Lander, MailEnds("-scoped@luci-project-accounts.iam.gserviceaccount.com")),
    (Lander, Called("webkit commit queue")),
    (Lander, Called("auto-submit[bot]")),
    (Lander, Called("engine-flutter-autoroll")),
    (Lander, Called("pytorchmergebot")),
    (Lander, Called("pytorchbot")),
    (Lander, Mail("gobot@golang.org")),
    (Lander, Called("gopherbot")),
    (Lander, Called("copybara")),
    (Lander, Called("copybara-service[bot]")),
    (Lander, Called("copybara-github")),
    (Lander, MailStarts("copybara")),
    (Lander, NameStarts("facebook github bot")),
    (Lander, NameStarts("facebook-github-bot")),
    (Lander, MailStarts("facebook-github-bot")),
    (Lander, Called("meta-codesync[bot]")),
    (Lander, NameStarts("generatedunixname")),
    (Lander, MailStarts("generatedunixname")),
    (Lander, Called("open source bot")),
    (Lander, Called("tensorflower-gardener")),
    (Lander, Mail("gardener@tensorflow.org")),
    (Lander, Mail("folly-bot@fb.com")),
    (Lander, Called("mergebot")),
    (Lander, Called("merge bot")),
    (Lander, Called("automerge")),

    (Import, NameStarts("git-svn")),
    (Import, NameStarts("svn2git")),
    (Import, NameStarts("hg2git")),
    (Import, NameStarts("hg-git")),
    (Import, NameStarts("cvs2git")),
    (Import, NameStarts("cvs2svn")),
    (Import, NameStarts("reposurgeon")),
    (Import, NameStarts("git-p4")),
    (Import, NameStarts("cvsimport")),
    (Import, Called("(no author)")),
    (Import, Called("no author")),
    (Import, Called("svn")),
    (Import, Called("svn-migration-script")),
    (Import, Called("vcs-sync")),

    (Robot, MailEnds("[bot]@users.noreply.github.com")),
    (Robot, Called("dependabot")),
    (Robot, Mail("support@dependabot.com")),
    (Robot, Called("renovate")),
    (Robot, Called("renovate bot")),
    (Robot, Called("renovate-bot")),
    (Robot, Called("whitesource renovate")),
    (Robot, Called("mend renovate")),
    (Robot, Mail("bot@renovateapp.com")),
    (Robot, Called("greenkeeper")),
    (Robot, Called("snyk-bot")),
    (Robot, Called("pyup-bot")),
    (Robot, Called("scala steward")),
    (Robot, Called("scala-steward")),
    (Robot, Called("imgbot")),
    (Robot, Called("pre-commit-ci")),
    (Robot, Called("allcontributors")),
    (Robot, Called("github actions")),
    (Robot, Called("github action")),
    (Robot, Called("github-actions")),
    (Robot, Mail("action@github.com")),
    (Robot, Mail("actions@github.com")),
    (Robot, Called("semantic-release-bot")),
    (Robot, Called("travis ci")),
    (Robot, Called("circleci")),
    (Robot, Called("weblate")),
    (Robot, Mail("hosted@weblate.org")),
    (Robot, Called("transifex")),
    (Robot, Called("l10n-bot")),
    (Robot, Called("libraryupgrader")),
    (Robot, Called("translation updater bot")),
    (Robot, Called("localisation updates from https://translatewiki.net.")),
    (Robot, Mail("l10n-bot@translatewiki.net")),
    (Robot, Called("auto runner releaser")),
    (Robot, Called("gerritbot")),
    (Robot, Called("gnome translation robot")),
    (Robot, Called("gopher robot")),
    (Robot, Called("openstack proposal bot")),
    (Robot, Called("pipelinebot")),
    (Robot, Called("pipelinebot[bot]")),
    (Robot, Called("ci bot")),
    (Robot, Called("automation")),
    (Robot, CalledStarts("svc-")),
    (Robot, MailStarts("svc-")),
    (Robot, Called("syzbot")),
    (Robot, MailEnds("@syzkaller.appspotmail.com")),
    (Robot, Called("sonarcloud")),
    (Robot, Called("sonarqubecloud")),
    (Robot, Called("sonarqube")),
    (Robot, Called("codecov")),
    (Robot, Called("codecov-commenter")),
];

/// What AI tools are called in a commit that has not their address, with or without `[bot]`. A new tool is a new line.
/// Only names that nobody is born with: people are called Claude, Devin, Cline and Kimi.
const TOOL_NAMES: &[&str] = &[
    r"coderabbit(?:[ -]?ai)?",
    r"gemini[ -]code[ -]assist(?:ant)?",
    r"gemini[ -]cli",
    r"sourcery[ -]ai",
    r"greptile(?:[ -](?:apps|ai))?",
    r"(?:cursor[ -]?)?bugbot",
    r"cursor[ -]?agent",
    r"ellipsis(?:[ -]dev)?",
    r"qodo(?:[ -](?:ai|merge|gen|code[ -]review))?(?:[ -]pro)?(?:[ -]for[ -]open[ -]source)?",
    r"(?:codium(?:ai)?[ -])?pr[ -]agent",
    r"devin[ -]ai(?:[ -]integration)?",
    r"google[ -]labs[ -]jules",
    r"kilo[ -]?code",
    r"roo[ -]?code",
    r"sashiko(?:[ -](?:ai|review(?:er)?))?",
    r"(?:github )?copilot(?:[ -](?:swe[ -]agent|pull[ -]request[ -]reviewer|code[ -]review))?",
    r"(?:openai[ -])?codex",
    r"chatgpt(?:[ -][\w.-]+)*",
    r"claude[ -](?:code|instant|opus|sonnet|haiku|fable|v?\d[\w.]*)(?:[ .-][\w.]+)*",
    r"gpt[ -]?\d[\w.]*(?:[ -][\w.]+)*",
    r"gemini[ -](?:pro|flash|ultra|\d[\w.]*)(?:[ -][\w.]+)*",
    r"deepseek(?:[ -][\w.]+)*",
    r"qwen[\d.]*(?:[ -][\w.]+)*",
    r"grok(?:[ -](?:code|\d[\w.]*)(?:[ -][\w.]+)*)?",
    r"glm[ -]?\d[\w.]*(?:[ -][\w.]+)*",
    r"kimi[ -]k\d[\w.]*(?:[ -][\w.]+)*",
];
static TOOL_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i)^(?:{})(?:\[bot\])?$", TOOL_NAMES.join("|"))).ok());

/// Hosts of those who make AI tools. People work there too, so it takes a name or a mailbox of the tool besides.
const TOOL_HOSTS: &[&str] = &[
    "coderabbit.ai",
    "sourcery.ai",
    "greptile.com",
    "ellipsis.dev",
    "qodo.ai",
    "codium.ai",
    "devin.ai",
    "cognition.ai",
    "cursor.com",
    "cursor.sh",
    "anthropic.com",
    "openai.com",
    "kilocode.ai",
    "roocode.com",
    "cline.bot",
    "lovable.dev",
    "moonshot.ai",
    "moonshot.cn",
    "kimi.com",
    "deepseek.com",
    "x.ai",
];
/// Tools that bear a first name, or a word that people take for a login.
const FIRST_NAMES: &[&str] = &["devin", "cline", "kimi", "lovable", "claude", "cursor"];
const MAILBOXES: &[&str] = &["noreply", "no-reply", "bot", "agent"];

/// Whether an identity is an AI tool: by its own address, as facts have it, or by what it is called. Wider than
/// [`ai::is_agent`], since in a trailer people write a tool down as they like; it says nothing of who wrote the change.
pub fn is_tool(name: &str, mail: &str) -> bool {
    let name = name.trim();
    let called = |text: &str| TOOL_NAME.as_ref().is_some_and(|pattern| pattern.is_match(text));
    let (local, host) = mail.split_once('@').unwrap_or_default();
    let first_name = |text: &str| FIRST_NAMES.iter().any(|first| text.eq_ignore_ascii_case(first));
    ai::is_agent(name, mail)
        || called(name)
        || login(mail).is_some_and(called)
        || mail == "gemini-code-assist@google.com"
        || (TOOL_HOSTS.contains(&host) && (MAILBOXES.contains(&local) || first_name(name)))
}

/// What machine an identity is, if one. `mail` is in lower case. An AI tool is none: see [`is_tool`].
pub fn machine(name: &str, mail: &str) -> Option<Machine> {
    if is_tool(name, mail) {
        return None;
    }
    let name = name.trim().to_lowercase();
    let login = login(mail);
    // A trailer drops the `[bot]` of a login.
    let called = |text: &str| name == text || login == Some(text) || text.strip_suffix("[bot]") == Some(&name);
    let row = TABLE.iter().find(|(_, is)| match is {
        Mail(text) => mail == *text,
        Called(text) => called(text),
        NameStarts(text) => name.starts_with(text),
        CalledStarts(text) => name.starts_with(text) || login.is_some_and(|login| login.starts_with(text)),
        MailStarts(text) => mail.starts_with(text),
        MailEnds(text) => mail.ends_with(text),
    });
    match row {
        Some((machine, _)) => Some(*machine),
        None => looks_like_a_robot(&name, login).then_some(Robot),
    }
}

/// How the names of robots, of pipelines and of accounts that many share end.
const ENDS: &[&str] = &[
    "[bot]",
    "-bot",
    "_bot",
    " bot",
    "-robot",
    " robot",
    "-ci",
    "_ci",
    " ci",
    "-autoroll",
    "autoroller",
    " team",
    "-team",
    " build account",
    " service account",
    "-pipeline",
    "-pipelines",
    " pipeline",
    " pipelines",
    "-import",
    " import",
    " importer",
];
/// Family names, and words, that end as the names of robots do.
const BORN_SO: &[&str] =
    &["abbot", "talbot", "cabot", "turbot", "libot", "ribot", "herbot", "gobot", "chabot", "joubot"];

/// Names that people do not bear: `something[bot]`, `release-bot`, `acmebot`, `Acme CI`, `Acme Release Team`.
fn looks_like_a_robot(name: &str, login: Option<&str>) -> bool {
    let is_word_bot = |text: &str| {
        text.ends_with("bot") && !text.contains(char::is_whitespace) && !BORN_SO.iter().any(|born| text.ends_with(born))
    };
    let robotic = |text: &str| ENDS.iter().any(|end| text.ends_with(end)) || is_word_bot(text);
    robotic(name) || login.is_some_and(robotic)
}

/// The login of a GitHub no-reply address.
fn login(mail: &str) -> Option<&str> {
    let local = mail.strip_suffix("@users.noreply.github.com")?;
    Some(local.split_once('+').map_or(local, |(_, login)| login))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_people_and_machines_are_machines() {
        let table = [
            ("GitHub", "noreply@github.com", Some(Forge)),
            ("Gerrit Code Review", "gerrit@wikimedia.org", Some(Forge)),
            ("Gerrit Code Review @ Forge.org", "gerrit@forge.example", Some(Forge)),
            ("Gogs", "gogs@fake.local", Some(Forge)),
            ("Tarmac", "", Some(Lander)),
            ("bors", "bors@rust-lang.org", Some(Lander)),
            ("bors[bot]", "26634292+bors[bot]@users.noreply.github.com", Some(Lander)),
            ("Facebook Github Bot", "facebook-github-bot@users.noreply.github.com", Some(Lander)),
            ("Kubernetes Prow Robot", "k8s-ci-robot@users.noreply.github.com", Some(Lander)),
            ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", Some(Robot)),
            ("Renovate Bot", "govuk-ci@users.noreply.github.com", Some(Robot)),
            ("modernisation-platform-ci", "x@digital.example", Some(Robot)),
            ("Copilot", "198982749+copilot@users.noreply.github.com", None),
            ("Abbot Costello", "abbot@x.example", None),
            ("Ann Lee", "ann@users.noreply.github.com", None),
            ("Robot Ronson", "ron@x.example", None),
            ("syzbot", "", Some(Robot)),
            ("syzbot", "syzbot+1a2b@syzkaller.appspotmail.com", Some(Robot)),
            ("SonarCloud", "", Some(Robot)),
            ("sonarqubecloud", "", Some(Robot)),
            ("Codecov", "", Some(Robot)),
            ("Mergebot", "mergebot@x.example", Some(Lander)),
            ("Automation", "automation@x.example", Some(Robot)),
            ("svc-deploy", "", Some(Robot)),
            ("Deploy", "svc-deploy@x.example", Some(Robot)),
            ("kodiakhq", "", Some(Lander)),
        ];
        for (name, mail, expected) in table {
            assert_eq!(machine(name, mail), expected, "{name} <{mail}>");
            assert!(name == "Copilot" || !is_tool(name, mail), "{name} <{mail}>");
        }
    }

    #[test]
    fn tools_are_known_by_what_they_are_called() {
        let tools = [
            "CodeRabbit <noreply@coderabbit.ai>",
            "coderabbitai <>",
            "CodeRabbit AI <>",
            "x <1+coderabbitai@users.noreply.github.com>",
            "Gemini Code Assist <gemini-code-assist@google.com>",
            "gemini-code-assist <>",
            "gemini-code-assist[bot] <>",
            "sourcery-ai <>",
            "Sourcery AI <>",
            "Greptile <>",
            "greptile-apps <>",
            "Cursor Bugbot <>",
            "Ellipsis <>",
            "ellipsis-dev <>",
            "Qodo Merge <>",
            "qodo-merge-pro <>",
            "devin-ai-integration <>",
            "claude-opus-4-6 <>",
            "claude-sonnet-4-5-20250929 <>",
            "google-labs-jules <>",
            "GPT-5 <>",
            "gpt-5.1-codex <>",
            "Gemini 3 Pro <>",
            "DeepSeek <>",
            "Qwen <>",
            "Grok <>",
            "Kilo Code <>",
            "Roo Code <>",
            "Sashiko <>",
            "Devin <devin@cognition.ai>",
            "Cline <noreply@cline.bot>",
        ];
        let people = [
            "Devin <devin@x.example>",
            "Devin <>",
            "Cline <>",
            "Kimi <kimi@x.example>",
            "Lovable <>",
            "Claude Dupont <claude@x.example>",
            "claude-dupont <>",
            "Ann Lee <ann@openai.com>",
            "Gemini Rossi <>",
            "Svca Lee <>",
        ];
        let ask = |text: &str| {
            let (name, mail) = text.split_once(" <").unwrap();
            is_tool(name, mail.trim_end_matches('>'))
        };
        assert!(TOOL_NAME.is_some());
        assert_eq!(tools.into_iter().filter(|text| !ask(text)).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(people.into_iter().filter(|text| ask(text)).collect::<Vec<_>>(), [""; 0]);
        assert!(people.into_iter().all(|text| machine(text.split(" <").next().unwrap(), "").is_none()));
    }
}
