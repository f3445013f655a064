// The table of the changes: unpacked, searched, filtered by what the address says, and one change in a dialog.
"use strict";
(() => {
  const { data, find, make, number, plural, swatch, address } = page;
  const PAGE_ROWS = 50;
  const FEW = 3;

  let changes = null;

  async function unpack() {
    const packed = atob(find("changes-data").textContent.trim());
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
    const whole = new ReadableStream({
      start(to) {
        to.enqueue(bytes);
        to.close();
      },
    });
    return JSON.parse(await new Response(whole.pipeThrough(new DecompressionStream("gzip"))).text());
  }

  /** The columns, with what is found out once. */
  function prepare(columns) {
    const count = columns.grade.length;
    let at = 0;
    const landed = columns.after.map((after) => (at += after));
    const reverted = new Map(columns.reverted.map(([change, by, days]) => [change, { by, days }]));
    const reverts = new Map(columns.reverts);
    const id = (change) => columns.ids.slice(change * columns.id_length, (change + 1) * columns.id_length);
    const months = landed.map((seconds) => iso(seconds).slice(0, -13));
    const robots = new Set(columns.robots);
    return { ...columns, count, landed, reverted, reverts, robots, id, months, texts: null };
  }

  /** `2026-03-01T12:00:00Z`, for every year that a date can have. */
  function iso(seconds) {
    const date = new Date(seconds * 1000);
    return Number.isNaN(+date) ? "?-?-?T00:00:00Z" : `${date.toISOString().slice(0, -5)}Z`;
  }

  const words = (list, places) => places.map((place) => changes.words[list][place]);
  const word = (list, place) => changes.words[list][place];
  const grades = new Map(data.grades.map((grade) => [grade.key, grade]));
  const gradeOf = (change) => grades.get(word("grade", changes.grade[change]));

  /** The signals of a change, five numbers each. */
  function signals(change) {
    const flat = changes.signals[change];
    const found = [];
    for (let at = 0; at < flat.length; at += 5) {
      const [convention, says, who, text, decided] = flat.slice(at, at + 5);
      found.push({
        convention: word("convention", convention),
        says: word("says", says),
        who: who < 0 ? null : word("person", who),
        text: text < 0 ? null : word("text", text),
        decided: decided === 1,
      });
    }
    return found;
  }

  /** All that a search looks at, in small letters; made when somebody first searches. */
  function texts() {
    changes.texts ??= d3.range(changes.count).map((change) =>
      [
        changes.id(change),
        changes.subject ? changes.subject[change] : "",
        words("person", changes.contributors[change]).join("\n"),
        words("person", changes.reviewers[change]).join("\n"),
        gradeOf(change).label,
        signals(change).map((signal) => `${signal.convention} ${signal.who || ""}`).join("\n"),
        words("tool", changes.ai_tools[change]).join(" "),
        words("area", changes.areas[change]).join("\n"),
      ].join("\n").toLowerCase(),
    );
    return changes.texts;
  }

  const AFTER = { hour: [-Infinity, 1 / 24], day: [1 / 24, 1], week: [1, 7], month: [7, 30], year: [30, 365], later: [365, Infinity] };
  const has = (list, places, value) => {
    const place = changes.words[list].indexOf(value);
    return (change) => places(change).includes(place);
  };
  const oneOf = (value, of) => {
    const wanted = value.split(",");
    return (change) => wanted.includes(of(change));
  };

  /** By the name of a filter: whether a change passes, for a value. `label` is what a chip says. */
  const filters = {
    q: {
      passes(value) {
        const parts = value.toLowerCase().split(/\s+/).filter(Boolean);
        const all = texts();
        return (change) => parts.every((part) => all[change].includes(part));
      },
    },
    second: { passes: (value) => (change) => gradeOf(change).second_person === (value === "yes") },
    grade: { passes: (value) => oneOf(value, (change) => gradeOf(change).key) },
    ai: { passes: (value) => oneOf(value, (change) => word("ai", changes.ai[change])) },
    tool: { label: "AI tool", passes: (value) => has("tool", (change) => changes.ai_tools[change], value) },
    impact: { passes: (value) => has("impact", (change) => changes.impact[change], value) },
    area: { passes: (value) => has("area", (change) => changes.areas[change], value) },
    month: {
      passes(value) {
        const [from, to] = value.includes("..") ? value.split("..") : [value, value];
        return (change) => changes.months[change] >= from && changes.months[change].slice(0, to.length) <= to;
      },
    },
    reverted: {
      passes(value) {
        if (value === "no") return (change) => !changes.reverted.has(change);
        const [from, below] = AFTER[value] || [-Infinity, Infinity];
        return (change) => {
          const reverted = changes.reverted.get(change);
          return reverted !== undefined && reverted.days >= from && reverted.days < below;
        };
      },
    },
    made: { label: "Made by", passes: (value) => (change) => changes.robots.has(change) === (value === "robots") },
    reviewer: { label: "Reviewer", passes: (value) => has("person", (change) => changes.reviewers[change], value) },
    contributor: { label: "Contributor", passes: (value) => has("person", (change) => changes.contributors[change], value) },
    convention: {
      label: "Grade given by",
      passes: (value) => (change) => signals(change).some((signal) => signal.decided && signal.convention === value),
    },
    rule: {
      passes(value) {
        if (value === "any") return (change) => changes.stopped[change].length > 0;
        const rule = changes.words.rule.indexOf(value);
        return (change) => changes.stopped[change].some((stopped) => stopped[0] === rule);
      },
    },
    lacks: {
      label: "Lacks",
      passes(value, wanted) {
        const [rule, lacks] = [changes.words.rule.indexOf(wanted.rule), changes.words.lacks.indexOf(value)];
        return (change) => changes.stopped[change].some((stopped) => (rule < 0 || stopped[0] === rule) && stopped[2].includes(lacks));
      },
    },
    nobody: {
      label: "Too few could have approved",
      passes(value, wanted) {
        const rule = changes.words.rule.indexOf(wanted.rule);
        return (change) => changes.stopped[change].some((stopped) => (rule < 0 || stopped[0] === rule) && stopped[1] === 1);
      },
    },
    verdict: {
      label: "Verdict",
      passes(value) {
        const of = { asked: [null, null], denied: [true, null], "other-denied": [null, true], "allow-to-deny": [false, true], "deny-to-allow": [true, false] }[value] || [];
        return (change) => {
          const denied = changes.denied[change];
          return denied !== null && of.every((wanted, at) => wanted === null || denied[at] === wanted);
        };
      },
    },
  };

  const VERDICTS = {
    asked: "the rules were asked about it",
    denied: "denied by the rules as they stand",
    "other-denied": "denied by the second set",
    "allow-to-deny": "allowed by the first set, denied by the second",
    "deny-to-allow": "denied by the first set, allowed by the second",
  };

  /** What is asked for: values by filter, besides `order` and `page`. */
  let wanted = {};
  let found = [];

  function apply() {
    const tests = Object.entries(wanted)
      .filter(([name]) => Object.hasOwn(filters, name))
      .map(([name, value]) => filters[name].passes(value, wanted));
    found = d3.range(changes.count).filter((change) => tests.every((passes) => passes(change)));
    if (wanted.order !== "oldest") found.reverse();
    showForm();
    showRows();
  }

  function showForm() {
    const form = find("search");
    for (const field of form.querySelectorAll("[name]")) {
      const value = wanted[field.name] || "";
      // A link may ask for what no option offers, such as a month.
      if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
        field.append(make("option", { value }, field.name === "grade" ? value.split(",").map((key) => (grades.get(key) || { label: key }).label).join(", ") : value));
      }
      if (field.value !== value) field.value = value;
    }
    const chips = Object.entries(wanted).filter(([name]) => Object.hasOwn(filters, name) && filters[name].label);
    find("filters").replaceChildren(
      ...chips.map(([name, value]) => {
        const { [name]: _, page: __, ...rest } = wanted;
        const text = value === "yes" ? filters[name].label : `${filters[name].label}: ${(name === "verdict" && VERDICTS[value]) || value}`;
        return make("a", { class: "chip", href: address(rest), "aria-label": `${text}. Take this filter away` }, text, " ×");
      }),
    );
  }

  function showRows() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
    const page = Math.min(pages, Math.max(1, Number.parseInt(wanted.page, 10) || 1));
    const from = (page - 1) * PAGE_ROWS;
    const rows = found.slice(from, from + PAGE_ROWS);
    const shown = rows.length === 0 ? "" : `, ${number(from + 1)} to ${number(from + rows.length)} shown`;
    find("count").textContent = `${number(found.length)} of ${plural(changes.count, "change")}${shown}`;
    if (rows.length === 0) {
      find("rows").replaceChildren(make("p", { class: "notice" }, "No change fits. Clear the search, or choose less."));
    } else {
      const heads = ["Landed", "Change", "Subject", "Grade", "By", "Reviewers", "Signs"];
      const left = data.anonymised ? heads.filter((head) => head !== "Subject") : heads;
      find("rows").replaceChildren(
        make("table", { class: "changes" },
          make("caption", { class: "hidden" }, "Landed changes"),
          make("thead", {}, make("tr", {}, left.map((head) => make("th", { scope: "col" }, head)))),
          make("tbody", {}, rows.map(row)),
        ),
      );
    }
    const { page: _, ...rest } = wanted;
    const step = (to, text) => (to < 1 || to > pages ? make("span", { class: "off" }, text) : make("a", { href: address({ ...rest, page: to === 1 ? "" : to }) }, text));
    find("pager").replaceChildren(...(pages === 1 ? [] : [step(page - 1, "‹ Previous"), make("span", {}, `Page ${number(page)} of ${number(pages)}`), step(page + 1, "Next ›")]));
  }

  const changeLink = (change, long) => make("a", { class: "id", href: `#change=${changes.id(change)}` }, long ? changes.id(change) : changes.id(change).slice(0, 10));

  function some(people) {
    const few = people.slice(0, FEW).join(", ");
    return people.length > FEW ? `${few} and ${people.length - FEW} more` : few;
  }

  function row(change) {
    const grade = gradeOf(change);
    const cell = (label, ...children) => make("td", { "data-label": label }, ...children);
    const ai = word("ai", changes.ai[change]);
    const signs = [
      ...(ai === "unknown" ? [] : [`AI ${ai}`]),
      ...words("impact", changes.impact[change]),
      ...(changes.reverted.has(change) ? ["taken back"] : []),
      ...(changes.reverts.has(change) ? ["takes back"] : []),
      ...(changes.stopped[change].length > 0 ? [`${plural(changes.stopped[change].length, "rule")} not met`] : []),
    ];
    return make("tr", {},
      cell("Landed", make("time", { datetime: iso(changes.landed[change]) }, iso(changes.landed[change]).slice(0, -10))),
      cell("Change", changeLink(change)),
      data.anonymised ? null : make("td", { "data-label": "Subject", class: "subject" }, make("bdi", {}, changes.subject[change] || "(no subject)")),
      cell("Grade", make("span", { class: "swatch" }, swatch(grade.key), grade.label)),
      make("td", { "data-label": "By", class: "by" }, make("bdi", {}, some(words("person", changes.contributors[change])))),
      cell("Reviewers", make("bdi", {}, some(words("person", changes.reviewers[change])) || "–")),
      cell("Signs", signs.length === 0 ? "–" : make("ul", { class: "signs" }, signs.map((sign) => make("li", {}, sign)))),
    );
  }

  // One change.

  const SAYS = {
    contributed: "had a hand in it",
    approved: "approved",
    nobody_approved: "nobody approved",
    landed: "landed it",
    platform: "a platform's rule",
    opaque: "cannot be told",
  };

  function span(days) {
    if (days < 2 / 24) return plural(Math.round(days * 24 * 60), "minute");
    if (days < 2) return plural(Math.round(days * 24), "hour");
    return plural(Math.round(days), "day");
  }

  function details(change) {
    const list = [];
    const say = (term, ...values) => {
      if (values.flat().length > 0) list.push(make("dt", {}, term), ...values.flat().map((value) => make("dd", {}, value)));
    };
    const people = (places) => words("person", places).map((name) => make("bdi", {}, name));
    const grade = gradeOf(change);
    const id = changes.id(change);
    say("Commit", make("code", {}, id));
    if (data.commits_at) say("On the forge", make("a", { href: data.commits_at + id, rel: "noopener noreferrer", target: "_blank" }, `${data.commits_at}${id.slice(0, 10)}…`));
    say("Landed", `${iso(changes.landed[change]).replace("T", " ").replace("Z", "")} UTC`);
    say("Grade", make("span", {}, make("span", { class: "swatch" }, swatch(grade.key), grade.label), ` – ${grade.meaning}`));
    say("Contributors", people(changes.contributors[change]));
    say("Reviewers", changes.reviewers[change].length ? people(changes.reviewers[change]) : ["git names nobody who had no hand in it"]);
    if (changes.brought[change] > 0) say("Brought in", plural(changes.brought[change], "commit"));
    const ai = word("ai", changes.ai[change]);
    const signs = [...words("tool", changes.ai_tools[change]), ...words("ai_signal", changes.ai_signals[change])];
    say("AI assistance", ai === "unknown" ? "unknown: nothing is said" : `${ai}${signs.length ? `: ${signs.join(", ")}` : ""}`);
    say("Paths that reach far", words("impact", changes.impact[change]).join(", ") || []);
    say("Areas", words("area", changes.areas[change]).join(", ") || []);
    const reverted = changes.reverted.get(change);
    if (reverted) say("Taken back by", make("span", {}, changeLink(reverted.by), ` after ${span(reverted.days)}`));
    say("Takes back", (changes.reverts.get(change) || []).map((other) => changeLink(other)));
    return make("dl", {}, list);
  }

  function evidence(change) {
    const found = signals(change);
    if (found.length === 0) return [make("h3", {}, "Evidence"), make("p", {}, "Nothing besides author and committer, who are the same person.")];
    return [
      make("h3", {}, "Evidence"),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Evidence" },
        make("table", {},
          make("caption", { class: "hidden" }, "What was found about a second person"),
          make("thead", {}, make("tr", {}, ["Convention", "Says", "Who", "Words"].map((head) => make("th", { scope: "col" }, head)))),
          make("tbody", {}, found.map((signal) => make("tr", { class: signal.decided ? "decided" : null },
            make("td", {}, make("code", {}, signal.convention), signal.decided ? make("span", { class: "tag" }, "gave the grade") : null),
            make("td", {}, SAYS[signal.says] || signal.says),
            make("td", {}, make("bdi", {}, signal.who || "–")),
            make("td", { class: "words" }, make("bdi", {}, signal.text || "–")),
          ))),
        ),
      ),
    ];
  }

  function verdict(change) {
    const denied = changes.denied[change];
    if (denied === null) return [make("h3", {}, "Rules"), make("p", {}, "No rule was asked: the change touches no path.")];
    const stopped = changes.stopped[change];
    const outcome = denied[0] ? "As they stand the rules would have denied it." : "As they stand the rules would have allowed it.";
    const second = data.compared ? ` The second set would have ${denied[1] ? "denied" : "allowed"} it.` : "";
    return [
      make("h3", {}, "Rules"),
      make("p", {}, (stopped.length === 0 ? "It met every rule that applied. " : "") + outcome + second),
      make("ul", {}, stopped.map(([rule, nobody, lacks]) => make("li", {},
        make("code", {}, word("rule", rule)), " was not met. It lacks: ", words("lacks", lacks).join("; "),
        nobody ? " (too few people could have given it)" : "", "."))),
    ];
  }

  function open(id) {
    const dialog = find("change");
    const all = changes.ids;
    let change = -1;
    if (/^[0-9a-f]{4,64}$/.test(id)) {
      for (let at = 0; at < changes.count && change < 0; at += 1) {
        if (all.startsWith(id, at * changes.id_length)) change = at;
      }
    }
    const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => dialog.close());
    const body = change < 0
      ? [make("h2", { id: "change-title" }, "No such change"), make("p", {}, "No landed change of this page has that id. It may have landed outside the time that was read, or come in with a merge.")]
      : [
          make("p", { class: "kicker" }, "Landed change ", make("code", {}, changes.id(change).slice(0, 10))),
          make("h2", { id: "change-title" }, make("bdi", {}, (changes.subject && changes.subject[change]) || (data.anonymised ? "Subjects are left out, as they may name people" : "(no subject)"))),
          details(change), evidence(change), verdict(change),
        ];
    dialog.replaceChildren(close, ...body.flat());
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  // Where the address leads.

  function route() {
    const hash = location.hash.slice(1);
    const dialog = find("change");
    if (hash.startsWith("change=")) {
      open(hash.slice("change=".length));
      return;
    }
    if (dialog.open) dialog.close();
    if (hash === "changes" || hash.startsWith("changes?")) {
      const asked = Object.fromEntries(new URLSearchParams(hash.slice("changes?".length)));
      const turns = JSON.stringify({ ...asked, page: "" }) === JSON.stringify({ ...wanted, page: "" });
      wanted = asked;
      apply();
      // On a phone the form alone would fill the screen.
      const narrow = window.matchMedia("(max-width: 40rem)").matches;
      (narrow || (turns && asked.page) ? find("filters") : find("changes")).scrollIntoView();
      // Whoever came by keyboard goes on from here.
      find("count").focus({ preventScroll: true });
    }
  }

  function replaceAddress(to) {
    // A page in a file may not be allowed to, in some browsers.
    try { history.replaceState(null, "", to); } catch { /* the address stays as it was */ }
  }

  function listen() {
    const form = find("search");
    let waiting = 0;
    const read = () => {
      const kept = Object.entries(wanted).filter(([name]) => Object.hasOwn(filters, name) && filters[name].label);
      wanted = Object.fromEntries(kept);
      for (const [name, value] of new FormData(form)) if (value !== "") wanted[name] = value;
      replaceAddress(address(wanted));
      apply();
    };
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(read, event.target.name === "q" ? 200 : 0);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); read(); });
    form.addEventListener("reset", (event) => { event.preventDefault(); wanted = {}; replaceAddress(address(wanted)); apply(); });
    find("change").addEventListener("close", () => {
      if (location.hash.startsWith("#change=")) replaceAddress(address(wanted));
    });
    window.addEventListener("hashchange", route);
  }

  async function list() {
    const state = find("table-state");
    if (data.months.length === 0) return;
    state.textContent = "Unpacking the changes…";
    try {
      changes = prepare(await unpack());
    } catch (error) {
      state.className = "notice";
      state.textContent = `The changes cannot be unpacked here (${error.message}). A browser of 2023 or later can.`;
      return;
    }
    state.hidden = true;
    find("table").hidden = false;
    apply();
    listen();
    route();
    document.documentElement.dataset.ready = "yes";
  }

  list();
})();
