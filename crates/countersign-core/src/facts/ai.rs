//! Signs of AI assistance in commits.
//!
//! Assistance is evidence, not guilt. A sign is *declared* when the commit says so itself (a trailer, a line that the tool
//! stamped, a disclosure) and *inferred* when it only looks so (an identity, a mention in prose). No sign proves nothing.
//!
//! Two tables hold what is known: [`TOOLS`], one line a tool, and [`SIGNALS`], one line a sign. They come from counting
//! over 946,850 commits; the traps found there are this module's tests. Automation (Dependabot, release robots) is not
//! assistance, and people who work for an AI company or are called Devin, Cline or Claude are people.
//!
//! All patterns run in linear time (crate `regex`) over the beginning and the end of a message, 64 KiB each.

use std::sync::LazyLock;

use crate::facts::{git::Ident, message::Message, pattern::Pattern};

/// One AI tool.
#[derive(Debug)]
pub struct Tool {
    pub name: &'static str,
    /// Words that name it in a line that is about assistance.
    words: &'static str,
    /// Addresses that are the tool's own. Whoever works for its maker has another address.
    mails: &'static [&'static str],
    /// Logins on GitHub, in lower case, as they stand in no-reply addresses.
    logins: &'static [&'static str],
    /// Account ids on GitHub, which outlive renamed logins.
    ids: &'static [&'static str],
}

const fn tool(
    name: &'static str,
    words: &'static str,
    mails: &'static [&'static str],
    logins: &'static [&'static str],
    ids: &'static [&'static str],
) -> Tool {
    Tool { name, words, mails, logins, ids }
}

/// Harnesses before models, because `Claude Opus via Crush` was made with Crush.
#[rustfmt::skip]
pub const TOOLS: &[Tool] = &[
    tool("aider", r"\baider\b", &["aider@aider.chat", "noreply@aider.dev"], &[], &[]),
    tool("crush", r"\bcrush\b", &["crush@charm.land", "noreply@crush.charm.land"], &[], &[]),
    tool("opencode", r"\bopencode\b", &["noreply@opencode.ai"], &["opencode-agent[bot]"], &[]),
    tool("cursor", r"\bcursor(?:agent)?\b", &["cursoragent@cursor.com"], &["cursor[bot]"], &["206951365"]),
    tool("amp", r"\bamp\b|\bampcode\b", &["amp@ampcode.com"], &[], &[]),
    tool("copilot", r"\bcopilot\b", &["copilot@github.com"], &["copilot", "copilot-swe-agent[bot]"],
         &["198982749", "223556219", "175728472", "167198135"]),
    tool("codex", r"\bcodex\b", &["codex@openai.com", "noreply@openai.com"], &["chatgpt-codex-connector[bot]"], &["215057067", "199175422"]),
    tool("devin", r"\bdevin[ -]ai\b|\bdevin-ai-integration\b", &[], &["devin-ai-integration[bot]"], &["158243242"]),
    tool("jules", r"\bgoogle-labs-jules\b|\bjules\[bot\]|\bjules\b", &[], &["google-labs-jules[bot]"], &["161369871"]),
    tool("antigravity", r"\bantigravity\b|^agy\b|^jetski\b", &[], &[], &[]),
    tool("gemini", r"\bgemini\b", &[], &["gemini-code-assist[bot]"], &["176961590"]),
    tool("amazon-q", r"\bamazon[ -]?q\b", &[], &["amazon-q-developer[bot]"], &["208079219"]),
    tool("windsurf", r"\bwindsurf\b", &[], &[], &[]),
    tool("kiro", r"\bkiro\b", &[], &["kiro-agent[bot]"], &["244629292"]),
    tool("roo-code", r"\broo[ -]?code\b", &[], &[], &[]),
    tool("junie", r"\bjunie\b", &[], &[], &[]),
    tool("factory-droid", r"\bfactory-droid\b|\bdroid\b", &[], &["factory-droid[bot]"], &["138933559"]),
    tool("openhands", r"\bopenhands\b", &["openhands@all-hands.dev"], &[], &[]),
    tool("coderabbit", r"\bcoderabbit(?:ai)?\b", &[], &["coderabbitai[bot]"], &[]),
    tool("greptile", r"\bgreptile\b", &[], &["greptile-apps[bot]"], &["165735046"]),
    tool("sageox", r"\bsageox\b", &["ox@sageox.ai"], &[], &[]),
    tool("sweep", r"\bsweep-ai\b", &[], &["sweep-ai[bot]"], &[]),
    tool("agent-think", r"\bagent-think\b", &[], &["agent-think[bot]"], &["298805081"]),
    tool("replit", r"\breplit\b", &[], &[], &[]),
    tool("augment", r"\baugment code\b", &[], &[], &[]),
    tool("nori", r"\bnori\b", &[], &[], &[]),
    tool("gastown", r"\b(?:gastown|beads)/(?:crew|polecats|refinery|witness|mayor)\b", &[], &[], &[]),
    tool("claude", r"\bclaude\b|\banthropic\b|\b(?:opus|sonnet|haiku|fable)\b", &["noreply@anthropic.com", "claude@anthropic.com"],
         &["claude[bot]"], &["209825114", "208546643"]),
    tool("openai", r"\bopenai\b|\bchatgpt\b|\bgpt[- ]?[3-9o][\w.-]*", &[], &[], &[]),
    tool("qwen", r"\bqwen[\w.-]*", &[], &[], &[]),
    tool("kimi", r"\bkimi\b", &[], &[], &[]),
    tool("glm", r"\bglm-?\d", &[], &[], &[]),
    tool("deepseek", r"\bdeepseek\b", &[], &[], &[]),
    tool("grok", r"\bgrok[ -]?\d", &[], &[], &[]),
    tool("mistral", r"\bmistral\b", &[], &[], &[]),
];

/// Where a sign is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A co-author, as `Name <mail>`.
    CoAuthor,
    /// The author, as `Name <mail>`.
    Author,
    /// The committer, as `Name <mail>`.
    Committer,
    /// Any line of the message, from its beginning.
    Line,
    /// Anywhere in a line after the subject, which is what the commit is *about*; quoted lines are somebody else's.
    Body,
}

/// What must be there.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// The identity is a tool's own address, or a bare tool name without any address.
    OwnAddress,
    /// The pattern matches.
    Pattern(&'static str),
    /// The pattern matches and its group `v` names a tool.
    Naming(&'static str),
}

impl Mark {
    fn pattern(self) -> Option<&'static str> {
        match self {
            Self::OwnAddress => None,
            Self::Pattern(pattern) | Self::Naming(pattern) => Some(pattern),
        }
    }
}

/// One sign.
#[derive(Debug)]
pub struct Signal {
    pub name: &'static str,
    pub place: Place,
    pub declared: bool,
    mark: Mark,
    /// Where this matches too, it is no sign.
    unless: &'static str,
}

const fn signal(name: &'static str, place: Place, declared: bool, mark: Mark, unless: &'static str) -> Signal {
    Signal { name, place, declared, mark, unless }
}

/// A review suggestion that was accepted, and the robots that release AI products: neither wrote the change.
const NOT_AUTHORS: &str = r"^gemini-code-assist|\bautofix\b|<175728472\+|<176961590\+|^gemini-cli";
/// Names that nobody is born with.
const PRODUCT: &str = r"\bclaude (?:code|opus|sonnet|haiku|fable)\b|^(?:github )?copilot(?: app| agent)?\b|^copilot-swe-agent|\bdevin ai\b|\bopenai codex\b|^amazon q\b|\bchatgpt\b|^aider \(|\bcursor agent\b|^factory-droid|^sageox\b|^claude[- ]flow\b";
/// Agent personas that borrow their person's address, and aider's mark behind a person's name.
const PERSONA: &str = r"\(aider\) <|^\w*gastown/(?:crew|polecats|refinery|witness|mayor)\b";
const ASSISTED: &str = r"^\W{0,4}(?:assi?s?ted-by|ai-assisted(?:-by)?|co-developed-by|generated-by|made-with|claude-generated-by|created-by|authored-with|agent-signature|coding-agent|ai-agent|ai-model|ai-assistant):\s*(?P<v>.+)$";
const MODEL_LINE: &str = r"^(?:agent|tool|model):\s*(?P<v>.+)$";
const KERNEL: &str = r"^assisted-by:\s*[\w.-]+[:/][\w./-]*\d[\w./-]*(?:\s+\[.*\]|\s+[\w.-]+)*$";
const PERSON_WITH_MAIL: &str = r":\s*[^<]*<[^@>]+@[^>]*>\s*$";
const SESSION: &str = r"^(?:copilot-session|claude-session(?:-id)?|amp-thread-id|codex-session|cursor-session|entire-checkpoint|claude-steers|claude-permission-prompts|claude-escapes|agent-logs-url):\s*\S+";
const EXECUTED: &str = r"^executed-by:\s*(?:mayor|deacon/boot|[\w-]+/(?:crew|polecats|refinery|witness)\b)";
const REPLIT: &str = r"^replit-commit-author:\s*agent\b";
const GENERATED: &str = r"\bgenerated (?:with|by|using) \[?(?P<v>(?:claude|crush|cursor|codex|(?:github )?copilot|gemini|opencode|amp|devin|nori|aider|chatgpt|gpt|ai assistance)\b.{0,60})";
const QUOTED: &str = r"^\s*(?:>|<|\|)";
/// A mention is prose; in a trailer the other rows have the say.
const QUOTED_OR_TRAILER: &str = r"^\s*(?:>|<|\||\W{0,8}\w+(?:-\w+)+\s*:)";
const DISCLOSURE: &str =
    r"^\W*(?:(?:ai|llm) (?:usage|disclosure|note|assistance|use)(?: disclosure)?|ai-assisted)\W{0,3}:\W*\w";
const DISCLOSURE_IN_PROSE: &str = r"^\W*disclosure\W{0,3}:.*\b(?:ai|llm|claude|copilot|chatgpt|codex|gemini|cursor)\b";
const NOTHING: &str = r":\W*(?:no|none|nothing|false|not|n/?a|without|never)\b";
const MENTION: &str = r"(?-i:\b(?:[Ww]ritten|[Aa]ssisted|[Mm]ade|[Aa]uthored|[Dd]eveloped|[Dd]rafted|[Ii]mplemented)\b[^\n.]{0,40}\b(?:with|by|using)\b[^\n.]{0,30}\b(?P<v>Claude(?: Code)?|Copilot|ChatGPT|GPT-?[345][\w.]*|Codex|Cursor|Gemini|an? LLM|an? AI(?: coding)? (?:tool|agent|assistant)|Amp)\b)";

/// The tool as the one who did it: `OpenAI Codex assisted with drafting this change.`
const ASSISTED_WITH: &str = r"^\W*(?P<v>(?:openai )?codex|claude(?: code| opus| sonnet)?|(?:github )?copilot|chatgpt|gemini(?: cli)?|cursor)\b[^.]{0,20}\b(?:assisted|helped) (?:with|me)\b";

/// Names are frozen: they stand in facts. A new sign is a new line.
#[rustfmt::skip]
pub const SIGNALS: &[Signal] = &[
    signal("co-author-trailer",  Place::CoAuthor,  true,  Mark::OwnAddress,                   NOT_AUTHORS),
    signal("co-author-name",     Place::CoAuthor,  true,  Mark::Pattern(PRODUCT),             NOT_AUTHORS),
    signal("co-author-persona",  Place::CoAuthor,  true,  Mark::Pattern(PERSONA),             NOT_AUTHORS),
    signal("author-identity",    Place::Author,    false, Mark::OwnAddress,                   NOT_AUTHORS),
    signal("author-name",        Place::Author,    false, Mark::Pattern(PRODUCT),             NOT_AUTHORS),
    signal("author-persona",     Place::Author,    false, Mark::Pattern(PERSONA),             NOT_AUTHORS),
    signal("committer-identity", Place::Committer, false, Mark::OwnAddress,                   NOT_AUTHORS),
    signal("committer-name",     Place::Committer, false, Mark::Pattern(PRODUCT),             NOT_AUTHORS),
    signal("committer-persona",  Place::Committer, false, Mark::Pattern(PERSONA),             NOT_AUTHORS),
    signal("assisted-trailer",   Place::Line,      true,  Mark::Naming(ASSISTED),             PERSON_WITH_MAIL),
    signal("assisted-kernel",    Place::Line,      true,  Mark::Pattern(KERNEL),              NOTHING),
    signal("session-trailer",    Place::Line,      true,  Mark::Pattern(SESSION),             NOTHING),
    signal("executed-by",        Place::Line,      true,  Mark::Pattern(EXECUTED),            NOTHING),
    signal("replit-author",      Place::Line,      true,  Mark::Pattern(REPLIT),              NOTHING),
    signal("generated-with",     Place::Body,      true,  Mark::Pattern(GENERATED),           QUOTED),
    signal("disclosure",         Place::Line,      true,  Mark::Pattern(DISCLOSURE),          NOTHING),
    signal("disclosure-prose",   Place::Line,      true,  Mark::Pattern(DISCLOSURE_IN_PROSE), NOTHING),
    signal("model-line",         Place::Line,      false, Mark::Naming(MODEL_LINE),           QUOTED),
    signal("assisted-prose",     Place::Body,      true,  Mark::Naming(ASSISTED_WITH),        QUOTED),
    signal("mention",            Place::Body,      false, Mark::Pattern(MENTION),             QUOTED_OR_TRAILER),
];

/// Names that stand for a tool when no address says whose they are.
const BARE: &str = r"^(?:claude|codex|copilot|cursor|gemini|amp|aider|crush|opencode|chatgpt|kiro|windsurf|jules|devin ai)(?:\[bot\])?$";
/// The words without one of which a pattern cannot match. One that is not here is asked of every text.
#[rustfmt::skip]
const NEEDS: &[(&str, &[&str])] = &[
    (NOT_AUTHORS, &["gemini-c", "autofix", "<175728472+", "<176961590+"]),
    (PRODUCT, &["claude", "copilot", "devin ai", "openai codex", "amazon q", "chatgpt", "aider (", "cursor agent", "factory-droid", "sageox"]),
    (PERSONA, &["(aider) <", "gastown/"]),
    (ASSISTED, &["-by:", "assisted:", "made-with:", "authored-with:", "signature:", "agent:", "model:", "assistant:"]),
    (MODEL_LINE, &["agent:", "tool:", "model:"]),
    (KERNEL, &["assisted-by:"]),
    (PERSON_WITH_MAIL, &["@"]),
    (SESSION, &["session", "thread-id:", "checkpoint:", "steers:", "prompts:", "escapes:", "logs-url:"]),
    (EXECUTED, &["executed-by:"]),
    (REPLIT, &["replit-commit-author:"]),
    (GENERATED, &["generated "]),
    (DISCLOSURE, &["ai", "llm"]),
    (DISCLOSURE_IN_PROSE, &["disclosure"]),
    (NOTHING, &[":"]),
    (MENTION, &["written", "assisted", "made", "authored", "developed", "drafted", "implemented"]),
    (ASSISTED_WITH, &["assisted ", "helped "]),
    (BARE, &["claude", "codex", "copilot", "cursor", "gemini", "amp", "aider", "crush", "opencode", "chatgpt", "kiro", "windsurf", "jules", "devin ai"]),
];

/// Robots whose messages quote other projects' commits and release notes.
const QUOTING_ROBOTS: &[&str] = &["dependabot[bot]", "renovate[bot]", "dependabot-preview[bot]", "pre-commit-ci[bot]"];

/// A sign that was found in one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub signal: &'static str,
    pub tool: Option<&'static str>,
    pub declared: bool,
}

/// Every sign in a commit. Mails are in lower case.
pub fn signals(author: &Ident, committer: &Ident, coauthors: &[Ident], message: &Message) -> Vec<Found> {
    let mut found = Vec::new();
    for who in [(Place::Author, author), (Place::Committer, committer)]
        .into_iter()
        .chain(coauthors.iter().map(|who| (Place::CoAuthor, who)))
    {
        identity_signals(who.0, who.1, &mut found);
    }
    let quotes = github_login(&author.mail).is_some_and(|login| QUOTING_ROBOTS.contains(&login));
    if !quotes {
        text_signals(Place::Line, message.lines(), &mut found);
        text_signals(Place::Body, message.body(), &mut found);
    }
    found.sort();
    found.dedup();
    found
}

/// Whether an identity is an AI tool's own. A tool's *name* over a person's address is that person: otherwise calling
/// oneself `(aider)` would be a way to be no contributor.
pub fn is_agent(name: &str, mail: &str) -> bool {
    tool_of_identity(name, mail).is_some()
}

fn identity_signals(place: Place, who: &Ident, found: &mut Vec<Found>) {
    let text = format!("{} <{}>", who.name, who.mail);
    for signal in ROWS.iter().filter(|signal| signal.row.place == place) {
        let hit = match signal.row.mark {
            Mark::OwnAddress => is_agent(&who.name, &who.mail),
            Mark::Pattern(_) | Mark::Naming(_) => signal.pattern.is_some_and(|p| p.is_match(&text)),
        };
        if hit && !signal.unless.is_match(&text) {
            let tool = tool_of_identity(&who.name, &who.mail).or_else(|| tool_in(&text));
            found.push(Found { signal: signal.row.name, tool, declared: signal.row.declared });
        }
    }
}

fn text_signals<'a>(place: Place, lines: impl Iterator<Item = &'a str>, found: &mut Vec<Found>) {
    for line in lines.filter(|line| !line.is_empty()) {
        for signal in ROWS.iter().filter(|signal| signal.row.place == place) {
            let Some(matched) = signal.pattern.and_then(|pattern| pattern.captures(line)) else { continue };
            let value = matched.value.unwrap_or(line);
            let tool = tool_in(value);
            let (named, excused) = match signal.row.mark {
                // `Assisted-by: Claude Dupont <claude@dupont.example>` is a person; `… via Crush <crush@charm.land>` is not.
                Mark::Naming(_) => (tool.is_some(), signal.unless.is_match(line) && !names_own_address(line)),
                Mark::Pattern(_) | Mark::OwnAddress => (true, signal.unless.is_match(line)),
            };
            if named && !excused {
                found.push(Found { signal: signal.row.name, tool, declared: signal.row.declared });
            }
        }
    }
}

fn names_own_address(line: &str) -> bool {
    let mail = line.rsplit_once('<').and_then(|(_, rest)| rest.split('>').next());
    mail.is_some_and(|mail| tool_of_mail(&mail.trim().to_lowercase()).is_some())
}

fn tool_of_identity(name: &str, mail: &str) -> Option<&'static str> {
    if mail.contains('@') {
        return tool_of_mail(mail);
    }
    let named = BARE_NAME.is_match(name) || PRODUCT_NAME.is_match(name);
    if named { tool_in(name) } else { None }
}

/// Whose own address this is. `mail` is in lower case.
fn tool_of_mail(mail: &str) -> Option<&'static str> {
    let (id, login) = github_account(mail);
    TOOLS
        .iter()
        .find(|tool| {
            tool.mails.contains(&mail)
                || login.is_some_and(|login| tool.logins.contains(&login))
                || id.is_some_and(|id| tool.ids.contains(&id))
        })
        .map(|tool| tool.name)
}

fn tool_in(text: &str) -> Option<&'static str> {
    WORDS.iter().find(|(_, words)| words.is_match(text)).map(|(tool, _)| *tool)
}

fn github_login(mail: &str) -> Option<&str> {
    github_account(mail).1
}

/// Account id and login of `12345+login@users.noreply.github.com`.
fn github_account(mail: &str) -> (Option<&str>, Option<&str>) {
    let Some(local) = mail.strip_suffix("@users.noreply.github.com") else { return (None, None) };
    match local.split_once('+') {
        Some((id, login)) => (Some(id), Some(login)),
        None => (None, Some(local)),
    }
}

/// A row with its patterns. Rows that say the same share one, so that it is compiled once.
struct Row {
    row: &'static Signal,
    pattern: Option<&'static Pattern>,
    unless: &'static Pattern,
}

fn pattern(text: &'static str) -> Pattern {
    let needs = NEEDS.iter().find(|(pattern, _)| *pattern == text);
    Pattern::new(text, needs.map_or(&[], |(_, needs)| needs))
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let mut patterns: Vec<Pattern> = Vec::new();
    for text in SIGNALS.iter().flat_map(|row| row.mark.pattern().into_iter().chain([row.unless])) {
        if !patterns.iter().any(|known| known.text() == text) {
            patterns.push(pattern(text));
        }
    }
    patterns
});
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let known = |text| PATTERNS.iter().find(|pattern| pattern.text() == text);
    let row = |row: &'static Signal| {
        let pattern = row.mark.pattern().and_then(known);
        Some(Row { row, pattern, unless: known(row.unless)? })
    };
    SIGNALS.iter().filter_map(row).collect()
});
static WORDS: LazyLock<Vec<(&'static str, Pattern)>> =
    LazyLock::new(|| TOOLS.iter().map(|tool| (tool.name, Pattern::new(tool.words, &[]))).collect());
static BARE_NAME: LazyLock<Pattern> = LazyLock::new(|| pattern(BARE));
static PRODUCT_NAME: LazyLock<Pattern> = LazyLock::new(|| pattern(PRODUCT));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Pattern> {
        PATTERNS.iter().chain(WORDS.iter().map(|(_, words)| words)).chain([&*BARE_NAME, &*PRODUCT_NAME])
    }

    #[test]
    fn every_row_compiles_and_names_are_unique() {
        assert_eq!(ROWS.len(), SIGNALS.len());
        let without = ROWS.iter().filter(|row| row.pattern.is_none()).count();
        assert_eq!(without, SIGNALS.iter().filter(|row| row.mark.pattern().is_none()).count());
        for pattern in all() {
            assert!(pattern.compiles(), "{}", pattern.text());
        }
        let names: std::collections::BTreeSet<_> = SIGNALS.iter().map(|signal| signal.name).collect();
        assert_eq!(names.len(), SIGNALS.len());
    }

    /// Pieces of what the patterns look for, so that many of the texts match some of them, or nearly do.
    fn text() -> impl Strategy<Value = String> {
        let pieces = all().map(|pattern| {
            let plain: String = pattern
                .text()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || " -:@<".contains(c) { c } else { ' ' })
                .collect();
            plain.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        });
        let needed = NEEDS.iter().flat_map(|(_, needs)| needs.iter().map(|word| (*word).to_owned()));
        let pieces: Vec<String> = pieces.flatten().chain(needed).collect();
        let piece = prop_oneof![3 => proptest::sample::select(pieces), 1 => "[ -~\t]{0,6}".prop_map(String::from)];
        let glue = proptest::sample::select(vec![" ", "", ": ", " <", "> ", "-", "_", "/", "\u{b}", "K"]);
        proptest::collection::vec((piece, glue), 0..8)
            .prop_map(|parts| parts.into_iter().map(|(piece, glue)| format!("{piece}{glue}")).collect())
    }

    /// Every way that a pattern can go, as far as its alternatives say so.
    fn spelled_out(pattern: &str) -> Vec<String> {
        let mut texts = vec![String::new()];
        spell(&regex_syntax::parse(pattern).unwrap(), &mut texts);
        texts
    }

    fn spell(hir: &regex_syntax::hir::Hir, texts: &mut Vec<String>) {
        use regex_syntax::hir::{Class, HirKind};
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                let literal = std::str::from_utf8(&literal.0).unwrap();
                texts.iter_mut().for_each(|text| text.push_str(literal));
            }
            HirKind::Class(Class::Unicode(class)) => {
                let c = ('!'..='~').chain([' ']).find(|c| class.iter().any(|r| r.start() <= *c && *c <= r.end()));
                texts.iter_mut().for_each(|text| text.extend(c));
            }
            HirKind::Class(Class::Bytes(_)) => panic!("no pattern is about bytes"),
            // As few as it takes, and one more, which could come between the letters of a word.
            HirKind::Repetition(repeated) => {
                (0..repeated.min).for_each(|_| spell(&repeated.sub, texts));
                if repeated.max.is_none_or(|max| max > repeated.min) {
                    let mut more = texts.clone();
                    spell(&repeated.sub, &mut more);
                    texts.extend(more);
                }
            }
            HirKind::Capture(group) => spell(&group.sub, texts),
            HirKind::Concat(parts) => parts.iter().for_each(|part| spell(part, texts)),
            HirKind::Alternation(ways) => {
                let before = std::mem::take(texts);
                for way in ways {
                    let mut these = before.clone();
                    spell(way, &mut these);
                    texts.extend(these);
                }
            }
        }
    }

    #[test]
    fn whatever_a_pattern_can_match_has_a_word_that_it_needs() {
        for (text, needs) in NEEDS {
            let ways = spelled_out(text);
            let without: Vec<&String> =
                ways.iter().filter(|way| !needs.iter().any(|word| way.to_ascii_lowercase().contains(word))).collect();
            assert!(!ways.is_empty() && without.is_empty(), "{text}: {without:?}");
        }
    }

    proptest! {
        #[test]
        fn both_forms_say_the_same_of_a_text_in_ascii(text in text()) {
            prop_assert!(text.is_ascii());
            for pattern in all() {
                let (one, other) = (pattern.captures(&text), pattern.captures_as_unicode(&text));
                prop_assert_eq!(one, other, "{}", pattern.text());
                prop_assert_eq!(pattern.is_match(&text), other.is_some());
            }
        }
    }
}
